//! The texts that are, or would be, committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};

use crate::process;

/// The workspace's text files by their path from its root, with `/` between folders.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads what git follows, and what it would follow if it were added; what it ignores stays out.
    ///
    /// A file that is not UTF-8 is no text and stays out too.
    pub(crate) fn committed() -> anyhow::Result<Self> {
        let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let output =
            process::command("git").args(args).output().context("git cannot be started: install it")?;
        if !output.status.success() {
            bail!(
                "git cannot list the files; run this in a clone: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let root = process::workspace_root();
        let list = String::from_utf8(output.stdout).context("a file's name is not UTF-8; rename it")?;
        let mut files = BTreeMap::new();
        for path in list.split_terminator('\0') {
            if let Some(text) = read_text(&root.join(path))? {
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    /// A tree made of paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// All files, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files below a folder: path from that folder, and text. The folder ends in `/`.
    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter_map(move |(path, text)| Some((path.strip_prefix(folder)?, text)))
    }

    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The folders in `crates/` that hold a manifest.
    pub(crate) fn crates(&self) -> BTreeSet<&str> {
        self.below("crates/")
            .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"))
            .filter(|name| !name.contains('/'))
            .collect()
    }
}

/// Returns the text, or `None` for what is no text: other bytes, or a file that is listed and gone.
fn read_text(path: &Path) -> anyhow::Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}

/// Returns the lines of a text with their numbers, from 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}
