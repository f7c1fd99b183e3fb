//! [`Outage`]: what fails every second is said when it begins and when it ends, not every second.

/// Something that is tried again and again, and may fail for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outage {
    is_on: bool,
}

impl Outage {
    /// It failed; true for the first time in a row.
    pub(crate) const fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.is_on, true)
    }

    /// It went well; true where it failed before.
    pub(crate) const fn ends(&mut self) -> bool {
        std::mem::replace(&mut self.is_on, false)
    }
}

#[cfg(test)]
mod tests {
    use super::Outage;

    #[test]
    fn only_the_beginning_and_the_end_are_said() {
        let mut outage = Outage::default();
        assert!(!outage.ends(), "nothing failed yet");
        for _ in 0..2 {
            assert!(outage.begins());
            assert!(!outage.begins() && !outage.begins());
            assert!(outage.ends());
            assert!(!outage.ends());
        }
    }
}
