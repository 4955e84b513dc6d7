//! One process owns a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use store::Error;

use crate::error::Told;

/// The lock on a data folder, held as long as this lives.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock and leaves our process id in it.
    pub(crate) fn take(data: &Path) -> Result<Self, Error> {
        let path = data.join("lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).told()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { pid: owner(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(Error::Unreachable(error.into())),
        }
        file.set_len(0).told()?;
        file.rewind().told()?;
        writeln!(file, "{}", std::process::id()).told()?;
        file.sync_all().told()?;
        Ok(FolderLock { file })
    }

    /// Lets go of the folder.
    pub(crate) fn release(self) {
        // The system lets go when the file is closed, whatever this says.
        let _ = self.file.unlock();
    }
}

/// The process id in a lock; 0 while its owner is still writing it.
fn owner(file: &mut File) -> u32 {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => text.trim().parse().unwrap_or(0),
        Err(_) => 0,
    }
}
