//! Wrong machines, for the tests that show that the simulation sees what is wrong. No other build has any of this.

macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How a machine is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sabotage { $($(#[$doc])* $name),* }

        impl Sabotage {
            pub(crate) const ALL: &[Sabotage] = &[$(Sabotage::$name),*];
        }
    };
}

sabotages! {
    /// Takes a repeat as if it were new.
    NoDedup,
    /// A new link starts where the old one stopped, not at the first message that is not acknowledged.
    GoesOnWhereTheOldStopped,
    /// Lets go of a message once it is on a link.
    FreesOnWrite,
    /// Counts as received what there was no room for.
    AcknowledgesBeforeTaking,
    /// Believes an acknowledgement of what was never sent.
    BelievesAnyAcknowledgement,
    /// Says the close once and never again.
    ForgetsTheClose,
    /// A new link's numbers begin at 1.
    RestartsNumbers,
    /// Takes what comes behind a hole.
    CountsOnAfterAHole,
    /// A duplicate takes the place of the first.
    EqualOrdinalWins,
}

use super::machine::Machine;

impl Machine {
    pub(crate) fn sabotage(&mut self, sabotage: Option<Sabotage>) {
        self.sabotage = sabotage;
        self.inbox.sabotage = sabotage;
        self.outbox.sabotage = sabotage;
        self.links.sabotage = sabotage;
    }
}
