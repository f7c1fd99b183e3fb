//! Transactions over several partitions (decision 0024).

mod adrift;
mod crash;
mod ends;
mod failed;
mod finals;
mod held;
mod killed;
mod steps;
mod town;
mod verbs;
