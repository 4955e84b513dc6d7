//! The secret key under which API keys are hashed. It lies outside the databases.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::clock::Chance;

use crate::Failure;

/// The environment variable that may hold the key.
pub const VARIABLE: &str = "COMPTOIR_KEY";

/// The key: from the environment, from `key_file`, or from the data folder, where it is made.
pub fn load(data: &Path, key_file: Option<&Path>, chance: &dyn Chance) -> Result<[u8; 32], Failure> {
    if let Ok(text) = std::env::var(VARIABLE) {
        return read(&text).ok_or_else(|| Failure::usage(format!("{VARIABLE} holds no key: {FORM}")));
    }
    match key_file {
        Some(path) => from_file(path)?.ok_or_else(|| {
            let text = format!("key_file {} does not exist; write the key there: {FORM}", path.display());
            Failure::usage(text)
        }),
        None => {
            let path = data.join("key");
            match from_file(&path)? {
                Some(key) => Ok(key),
                None => make(&path, chance),
            }
        }
    }
}

const FORM: &str = "it is 32 bytes, written as 44 characters of base64 or 64 hexadecimal digits";

fn from_file(path: &Path) -> Result<Option<[u8; 32]>, Failure> {
    let mut text = String::new();
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::unreachable(format!("the secret key {} cannot be read: {error}", path.display())))
        }
        Ok(_) => match read(&text) {
            Some(key) => Ok(Some(key)),
            None => Err(Failure::usage(format!("{} holds no key: {FORM}", path.display()))),
        },
    }
}

fn read(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let bytes = if text.len() == 64 {
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>()?
    } else {
        STANDARD.decode(text).ok()?
    };
    bytes.try_into().ok()
}

/// Makes a key whose file only its owner can read.
fn make(path: &Path, chance: &dyn Chance) -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&chance.bits().to_le_bytes());
    key[16..].copy_from_slice(&chance.bits().to_le_bytes());
    write_private(path, &format!("{}\n", STANDARD.encode(key))).map_err(|error| {
        Failure::unreachable(format!("the secret key {} cannot be made: {error}", path.display()))
    })?;
    Ok(key)
}

/// Writes a file that only its owner can read; it must not exist yet.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use domain::clock::SequentialIds;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let chance = SequentialIds::default();
        let key = load(folder.path(), None, &chance).unwrap();
        assert_eq!(load(folder.path(), None, &chance).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path().join("key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(read(&"01".repeat(32)), Some([1; 32]));
        assert_eq!(read(&STANDARD.encode([2; 32])), Some([2; 32]));
        assert_eq!(read("short"), None);
    }
}
