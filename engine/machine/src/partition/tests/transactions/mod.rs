//! Transactions over several partitions (decision 0024).

mod crash;
mod ends;
mod held;
mod killed;
mod steps;
mod town;
mod verbs;
