//! Transactions in bytes: whole, and as what changed; and what is told of them by letter.

use super::codec::{Codec, DecodeError, Out, Reader, write_list};
use super::parts::{structs, words};
use crate::machine::Generation;
use crate::machine::transaction::{
    Ask, Asked, Asker, Entry, Member, Membership, Refusal, Scope, Stand, Standing, Transaction,
    Word,
};

structs! {
    Ask { call, attempt }
    Asker { key, life, ask }
    Member { key, life, stand }
    Entry { member, undo, what }
    Scope { members, entries, asked, trouble, reason, askers }
}

words! {
    Standing { 0 => Joining, 1 => Open, 2 => Holding, 3 => Held, 4 => Committed, 5 => RolledBack }
    Stand { 0 => Open, 1 => Asked, 2 => Held, 3 => Gone }
}

/// All of it but why the transaction is rolled back, which comes behind it where it is told.
fn write_membership(membership: &Membership, out: &mut Out) {
    let Membership { name, standing, since, waits, ended, .. } = membership;
    name.write(out);
    standing.write(out);
    since.write(out);
    waits.write(out);
    ended.write(out);
}

fn read_membership(from: &mut Reader<'_>) -> Result<Membership, DecodeError> {
    Ok(Membership {
        name: Codec::read(from)?,
        standing: Codec::read(from)?,
        since: Codec::read(from)?,
        waits: Codec::read(from)?,
        ended: Codec::read(from)?,
        reason: "".into(),
    })
}

impl Codec for Transaction {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Member(membership) if membership.reason.is_empty() => {
                out.byte(0);
                write_membership(membership, out);
            }
            Self::Member(membership) => {
                out.newer_if(true);
                out.byte(2);
                write_membership(membership, out);
                membership.reason.write(out);
            }
            Self::Scope(scope) => {
                out.byte(1);
                scope.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Member(read_membership(from)?),
            1 => Self::Scope(Codec::read(from)?),
            2 => {
                let membership = read_membership(from)?;
                Self::Member(Membership { reason: Codec::read(from)?, ..membership })
            }
            _ => return Err(DecodeError::Invalid("transaction")),
        })
    }
}

/// What differs: 0 is none left, 1 is all anew, 2 is the same transaction with its lists changed
/// at the end. A member more or a call more is a few bytes, however many there are.
pub(crate) fn write_transaction(
    old: Option<&Transaction>,
    new: Option<&Transaction>,
    out: &mut Out,
) {
    match (old, new) {
        (_, None) => out.byte(0),
        (Some(Transaction::Scope(old)), Some(Transaction::Scope(new))) => {
            out.byte(2);
            let Scope { members, entries, asked, trouble, reason, askers } = new;
            write_end(&old.members, members, out);
            write_end(&old.entries, entries, out);
            asked.write(out);
            trouble.write(out);
            reason.write(out);
            askers.write(out);
        }
        (_, Some(new)) => {
            out.byte(1);
            new.write(out);
        }
    }
}

/// Reads what [`write_transaction`] wrote onto what was before.
pub(crate) fn read_transaction(
    place: &mut Option<Box<Transaction>>,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    match from.byte()? {
        0 => *place = None,
        1 => *place = Some(Codec::read(from)?),
        2 => {
            let Some(Transaction::Scope(scope)) = place.as_deref_mut() else {
                return Err(DecodeError::Invalid("change of no transaction"));
            };
            read_end(&mut scope.members, from)?;
            read_end(&mut scope.entries, from)?;
            scope.asked = Codec::read(from)?;
            scope.trouble = Codec::read(from)?;
            scope.reason = Codec::read(from)?;
            scope.askers = Codec::read(from)?;
        }
        _ => return Err(DecodeError::Invalid("delta of a transaction")),
    }
    Ok(())
}

/// How many items at the front are the same, then the rest.
fn write_end<T: Codec + PartialEq>(old: &[T], new: &[T], out: &mut Out) {
    let kept = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    out.length(kept);
    write_list(new.get(kept..).unwrap_or_default(), out);
}

fn read_end<T: Codec>(list: &mut Vec<T>, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    let kept = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
    if kept > list.len() {
        return Err(DecodeError::Invalid("number of kept items"));
    }
    list.truncate(kept);
    list.extend(Vec::<T>::read(from)?);
    Ok(())
}

impl Codec for Refusal {
    fn write(&self, out: &mut Out) {
        out.newer_if(*self == Self::Committed);
        out.byte(match self {
            Self::Unknown => 0,
            Self::Exists => 1,
            Self::Closed => 2,
            Self::Full => 3,
            Self::Committed => 4,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::Exists),
            2 => Ok(Self::Closed),
            3 => Ok(Self::Full),
            4 => Ok(Self::Committed),
            _ => Err(DecodeError::Invalid("refusal of a transaction")),
        }
    }
}

impl Codec for Asked {
    fn write(&self, out: &mut Out) {
        out.newer_if(*self == Self::Run);
        out.byte(match self {
            Self::Nothing => 0,
            Self::Newest => 1,
            Self::Run => 2,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Newest),
            2 => Ok(Self::Run),
            _ => Err(DecodeError::Invalid("Asked")),
        }
    }
}

fn head(out: &mut Out, tag: u8, life: &Generation) {
    out.byte(tag);
    life.write(out);
}

/// Words that name a life: the tag, the life, then the rest.
fn write_addressed(word: &Word, out: &mut Out) {
    match word {
        Word::Begin { life, ask, timeout_ms } => {
            head(out, 0, life);
            ask.write(out);
            timeout_ms.write(out);
        }
        Word::Join { life, ask } => {
            head(out, 1, life);
            ask.write(out);
        }
        Word::Commit { life, ask } => {
            head(out, 2, life);
            ask.write(out);
        }
        Word::RollBack { life, ask, reason } => {
            head(out, 3, life);
            ask.write(out);
            reason.write(out);
        }
        Word::Joined { life, ask } => {
            head(out, 10, life);
            ask.write(out);
        }
        Word::Refused { life, ask, refusal, message } => {
            head(out, 11, life);
            ask.write(out);
            refusal.write(out);
            message.write(out);
        }
        Word::Answered { life, ask } => {
            head(out, 12, life);
            ask.write(out);
        }
        Word::Hold { life, reason } => {
            head(out, 13, life);
            reason.write(out);
        }
        Word::TakeBack { life, undo } => {
            head(out, 14, life);
            undo.write(out);
        }
        Word::TakeBackRun { life, undo, down_to } => {
            out.newer_if(true);
            head(out, 16, life);
            undo.write(out);
            down_to.write(out);
        }
        Word::Settled { life, committed } => {
            head(out, 15, life);
            committed.write(out);
        }
        // They name none.
        Word::Did { .. }
        | Word::Undone { .. }
        | Word::Held
        | Word::Troubled { .. }
        | Word::Aborted { .. }
        | Word::Gone => {}
    }
}

impl Codec for Word {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Did { undo, what } => {
                out.byte(4);
                undo.write(out);
                what.write(out);
            }
            Self::Undone { undo } => {
                out.byte(5);
                undo.write(out);
            }
            Self::Held => out.byte(6),
            Self::Troubled { reason } => {
                out.byte(7);
                reason.write(out);
            }
            Self::Aborted { reason } => {
                out.byte(8);
                reason.write(out);
            }
            Self::Gone => out.byte(9),
            Self::Begin { .. }
            | Self::Join { .. }
            | Self::Commit { .. }
            | Self::RollBack { .. }
            | Self::Joined { .. }
            | Self::Refused { .. }
            | Self::Answered { .. }
            | Self::Hold { .. }
            | Self::TakeBack { .. }
            | Self::TakeBackRun { .. }
            | Self::Settled { .. } => write_addressed(self, out),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = from.byte()?;
        Ok(match tag {
            4 => Self::Did { undo: Codec::read(from)?, what: Codec::read(from)? },
            5 => Self::Undone { undo: Codec::read(from)? },
            6 => Self::Held,
            7 => Self::Troubled { reason: Codec::read(from)? },
            8 => Self::Aborted { reason: Codec::read(from)? },
            9 => Self::Gone,
            _ => return read_addressed(tag, from),
        })
    }
}

/// Words that name a life.
fn read_addressed(tag: u8, from: &mut Reader<'_>) -> Result<Word, DecodeError> {
    let known = matches!(tag, 0..=3 | 10..=16);
    if !known {
        return Err(DecodeError::Invalid("word of a transaction"));
    }
    let life = Codec::read(from)?;
    Ok(match tag {
        0 => Word::Begin { life, ask: Codec::read(from)?, timeout_ms: Codec::read(from)? },
        1 => Word::Join { life, ask: Codec::read(from)? },
        2 => Word::Commit { life, ask: Codec::read(from)? },
        3 => Word::RollBack { life, ask: Codec::read(from)?, reason: Codec::read(from)? },
        10 => Word::Joined { life, ask: Codec::read(from)? },
        11 => Word::Refused {
            life,
            ask: Codec::read(from)?,
            refusal: Codec::read(from)?,
            message: Codec::read(from)?,
        },
        12 => Word::Answered { life, ask: Codec::read(from)? },
        13 => Word::Hold { life, reason: Codec::read(from)? },
        14 => Word::TakeBack { life, undo: Codec::read(from)? },
        16 => Word::TakeBackRun { life, undo: Codec::read(from)?, down_to: Codec::read(from)? },
        _ => Word::Settled { life, committed: Codec::read(from)? },
    })
}
