//! Calls that were cut off and can be taken back: who asks why an instance stands where it does
//! hears of them (decision 0056).

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::Instance;
use gearshift_protocol::view::Why;

use super::describe::call_words;

/// So many are named; of more the number is enough.
const SHOWN: usize = 5;

/// Which calls may still be done, and until when that is heard.
pub(super) fn why(instance: &Instance, definition: &Definition, why: &mut Why) {
    let mut untold = 0_usize;
    let waiting = instance.adrift().iter().filter_map(|it| Some((it, it.call.as_ref()?)));
    for (at, (running, call)) in waiting.enumerate() {
        if at >= SHOWN {
            untold += 1;
            continue;
        }
        let of = call_words(definition, instance, running).unwrap_or_default();
        why.lines.push(match call.sent {
            true => format!(
                "the call of {of} was cut off and may still be done: that is heard until {}",
                call.deadline
            ),
            false => format!(
                "the call of {of} was cut off and may be done, which nobody could hear: it is asked \
                 for again should something be taken back"
            ),
        });
    }
    match untold {
        0 => {}
        1 => why.lines.push("1 more call was cut off".to_owned()),
        more => why.lines.push(format!("{more} more calls were cut off")),
    }
}
