//! Later fragments, which say too little themselves.
use super::Expectation;
use super::policy::Tri;
use super::rules::{Oracle, REFUSED, Sent};
use super::services::Dialled;
use super::source::Sender;
use crate::packets::reading::{Flow, Reading, Role, Shape};
use anyhow::Result;

impl Oracle {
    /// A later fragment is judged as its first; if that is not known, by what can be read of it alone.
    pub(super) fn later_fragment(
        &self,
        sender: &Sender,
        reading: &Reading,
        (id, protocol): (u32, u8),
        sent: &mut Sent,
    ) -> Result<Expectation> {
        let ends = self.ends(sender, &sent.from, reading, reading.dst, false);
        let key = (Flow { src: (reading.src, 0), dst: (reading.dst, 0), protocol }, id);
        let firsts = if reading.shape == Shape::Unreadable && !hidden(protocol) {
            &[]
        } else {
            self.history.firsts(key)
        };
        let alone = self.known.judge(&ends, reading.shape, 0)?.both();
        let Some(first) = firsts.last() else {
            return Ok(Expectation { reasons: REFUSED, ..Expectation::new(alone, "a later fragment alone") });
        };
        let as_first = Reading { shape: Shape::Whole(first.transport), ..reading.clone() };
        // It may be all that arrives of its datagram, and be answered.
        (sent.reading, sent.transport, sent.uncertain) =
            (Some(as_first.clone()), Some(first.transport), true);
        let verdict = match as_first.role() {
            Some(Role::Error) | None => Tri::Maybe,
            Some(role) => self.untranslated(&as_first, role, &ends, sent)?.0,
        };
        // Hooks that did not have to look at the first do not know it.
        let same = first.epoch == self.history.epochs()[0] && first.sender == *sender;
        // Nor is it translated here, as the first would have been.
        let itself =
            self.known.dialled(("", false), reading.dst, first.transport.to, first.transport.protocol);
        let settled = firsts.len() == 1 && same;
        let verdict = match (verdict, settled) {
            _ if itself != Dialled::Itself => Tri::Maybe,
            (verdict, true) => verdict,
            (verdict, false) if verdict == alone => verdict,
            _ => Tri::Maybe,
        };
        Ok(Expectation { reasons: REFUSED, ..Expectation::new(verdict, "a later fragment behind its first") })
    }
}

/// Protocols of IPv6 extension headers, behind which the real one is hidden in a later fragment.
fn hidden(protocol: u8) -> bool {
    [0, 43, 44, 51, 60].contains(&protocol)
}
