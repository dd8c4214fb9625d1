//! The values of claims in the directory: who has something, and how often it has changed hands.

use crate::config::is_node_name;

/// A process of a node, by which something is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) name: String,
    /// The process: another one of the same name has another number.
    pub(crate) incarnation: u64,
}

impl Owner {
    pub(crate) fn write(&self) -> Vec<u8> {
        [&self.incarnation.to_be_bytes(), self.name.as_bytes()].concat()
    }

    /// `None` if this is no value that a node writes.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (incarnation, name) = value.split_first_chunk()?;
        Some(Owner {
            incarnation: u64::from_be_bytes(*incarnation),
            name: String::from_utf8(name.to_vec()).ok().filter(|name| is_node_name(name))?,
        })
    }
}

/// The value of the claim of a session.
///
/// The fence grows with each hand that the session goes through, and also when its owner takes it back. So no two deeds of
/// a session are equal, and a swap from a deed that holds no longer fails, however late the directory does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Deed {
    pub(crate) fence: u64,
    pub(crate) owner: Owner,
}

impl Deed {
    /// The deed of a session that was never given away.
    pub(crate) fn first(owner: Owner) -> Self {
        Deed { fence: 1, owner }
    }

    /// The deed of who takes the session behind this one.
    pub(crate) fn next(&self, owner: Owner) -> Self {
        Deed { fence: self.fence.saturating_add(1), owner }
    }

    /// The deed under which its owner takes the session back. It is above that of who may have taken it.
    pub(crate) fn back(&self) -> Self {
        Deed { fence: self.fence.saturating_add(2), owner: self.owner.clone() }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        [&self.fence.to_be_bytes()[..], &self.owner.write()].concat()
    }

    /// `None` if this is no value that a node writes.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (fence, owner) = value.split_first_chunk()?;
        Some(Deed { fence: u64::from_be_bytes(*fence), owner: Owner::read(owner)? })
    }
}
