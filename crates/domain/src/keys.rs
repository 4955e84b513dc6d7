//! Hashes of keys: what tells records of a batch apart, and what a plan looked at.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

use crate::catalogue::EntityIx;
use crate::names::{Company, InternalId};
use crate::row::By;
use crate::value::Value;

/// Hash of one key of one record. Two different keys never share one in practice: it has 128 bits
/// under a secret, so that nobody can make two meet either.
pub type KeyHash = u128;

/// The secret under which keys are hashed.
#[derive(Debug, Clone, Copy)]
pub struct KeySecret(pub u64, pub u64);

impl KeySecret {
    fn start(self, entity: EntityIx) -> SipHasher13 {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(&entity.0.to_le_bytes());
        hasher
    }

    /// Hash of a key that is one text.
    pub fn text(self, entity: EntityIx, company: Company, by: By, text: &str) -> KeyHash {
        let mut hasher = self.start(entity);
        feed_kind(&mut hasher, company, by);
        hasher.write(&[1]);
        hasher.write(text.as_bytes());
        hasher.write(&[0xff]);
        hasher.finish128().as_u128()
    }

    /// Hash of a key of several values. One text gives the same hash as [`KeySecret::text`].
    pub fn values<'a>(
        self,
        entity: EntityIx,
        company: Company,
        by: By,
        values: impl IntoIterator<Item = &'a Value>,
    ) -> KeyHash {
        let mut hasher = self.start(entity);
        feed_kind(&mut hasher, company, by);
        let mut bytes = Vec::with_capacity(64);
        for value in values {
            value.feed(&mut bytes);
        }
        hasher.write(&bytes);
        hasher.finish128().as_u128()
    }

    /// Hash of a record by its internal id, whatever its company.
    pub fn id(self, id: InternalId) -> KeyHash {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(b"id");
        hasher.write_i64(id.0);
        hasher.finish128().as_u128()
    }

    /// Stands for all records of an entity at once: a search looked at them.
    pub fn whole(self, entity: EntityIx) -> KeyHash {
        let mut hasher = self.start(entity);
        hasher.write(b"whole");
        hasher.finish128().as_u128()
    }
}

fn feed_kind(hasher: &mut SipHasher13, company: Company, by: By) {
    let (kind, ix) = match by {
        By::Code => (0, 0),
        By::Key(key) => (1, key.0),
        By::Field(field) => (2, field.0),
        By::Id => (3, 0),
    };
    let mut bytes = [kind, 0, 0, 0, 0];
    bytes[1..3].copy_from_slice(&ix.to_le_bytes());
    bytes[3..].copy_from_slice(&company.0.to_le_bytes());
    hasher.write(&bytes);
}

/// 32-bit hash by which the ledger finds the pages that may hold a key. It is the same on every
/// machine and in every release.
pub fn page_hash(text: &str) -> u32 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0x636f_6d70, 0x746f_6972);
    hasher.write(text.as_bytes());
    hasher.finish() as u32
}
