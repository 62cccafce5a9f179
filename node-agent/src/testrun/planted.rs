//! Which programs run: those that are shipped, or, where a test has planted one, such as make a mistake.
use crate::apply::bpf::object;
use aya::EbpfLoader;

/// What was planted; nothing, in every build for use.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Planted(#[cfg(feature = "seeded-mistakes")] Option<u32>);

impl Planted {
    /// Programs that can be mistaken, making this mistake or none.
    #[cfg(feature = "seeded-mistakes")]
    pub(super) fn mistake(mistake: Option<ringfence_abi::mistake::Mistake>) -> Self {
        Self(Some(mistake.map_or(0, |mistake| mistake as u32)))
    }

    /// Has the loader set what these programs are to be told, and says which object holds them.
    #[cfg(feature = "seeded-mistakes")]
    pub(super) fn object<'a>(&'a self, loader: &mut EbpfLoader<'a>) -> &'static [u8] {
        let Some(number) = &self.0 else { return object::OBJECT };
        loader.override_global(ringfence_abi::mistake::GLOBAL, number, true);
        object::MISTAKEN
    }

    /// The shipped object.
    #[cfg(not(feature = "seeded-mistakes"))]
    pub(super) fn object<'a>(&'a self, _: &mut EbpfLoader<'a>) -> &'static [u8] {
        object::OBJECT
    }
}
