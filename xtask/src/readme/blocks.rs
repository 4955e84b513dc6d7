//! From the README's text to what is to be done, in order.

use anyhow::{Context, bail, ensure};

/// A marked block: where its mark is, and what is done with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) action: Action,
}

/// What is done with a block.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Run the script; it must succeed.
    Run { script: String },
    /// Start the script's last command, and leave it running once `url` answers 200.
    Serve { url: String, script: String },
    /// Run the script; it must print `output`.
    Expect { script: String, output: String },
    /// The server that runs must have printed `output`.
    Printed { output: String },
}

/// A fenced block: the word after its opening fence, and its lines.
struct Fence {
    language: String,
    text: String,
}

/// Returns the marked blocks in order; an error names the line of a mark that cannot be followed.
pub(crate) fn parse(markdown: &str) -> anyhow::Result<Vec<Block>> {
    let lines: Vec<&str> = markdown.lines().collect();
    let mut rest = Lines { lines: &lines, next: 0 };
    let mut blocks = Vec::new();
    while let Some((line, text)) = rest.take() {
        if is_fence(text) {
            rest.fence(text).with_context(|| format!("README.md:{line}"))?;
        } else if let Some(mark) = mark(text) {
            let action = action(mark, &mut rest).with_context(|| format!("README.md:{line}"))?;
            blocks.push(Block { line, action });
        }
    }
    Ok(blocks)
}

/// Returns the words of `<!-- ci: … -->`.
fn mark(line: &str) -> Option<&str> {
    let inside = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(inside.trim().strip_prefix("ci:")?.trim())
}

fn action(mark: &str, rest: &mut Lines) -> anyhow::Result<Action> {
    match mark.split_whitespace().collect::<Vec<_>>()[..] {
        ["run"] => Ok(Action::Run { script: script(rest)? }),
        ["serve", url] => Ok(Action::Serve { url: url.to_owned(), script: script(rest)? }),
        ["expect"] => Ok(Action::Expect { script: script(rest)?, output: output(rest)? }),
        ["printed"] => Ok(Action::Printed { output: output(rest)? }),
        _ => bail!("`ci: {mark}` is none of `run`, `serve URL`, `expect`, `printed`"),
    }
}

fn script(rest: &mut Lines) -> anyhow::Result<String> {
    let fence = rest.next_fence(true)?;
    ensure!(fence.language == "sh", "the block after the mark is `{}`; make it `sh`", fence.language);
    ensure!(
        !fence.text.lines().any(|line| line.starts_with("$ ")),
        "the block has `$` prompts; write the commands alone, so that they can be copied"
    );
    Ok(fence.text)
}

fn output(rest: &mut Lines) -> anyhow::Result<String> {
    let fence = rest.next_fence(false).context("no expected output follows")?;
    ensure!(
        matches!(fence.language.as_str(), "text" | "json"),
        "the block of what is printed is `{}`; make it `text` or `json`",
        fence.language
    );
    Ok(fence.text)
}

/// The lines not read yet.
struct Lines<'a> {
    lines: &'a [&'a str],
    next: usize,
}

impl<'a> Lines<'a> {
    /// Returns the next line and its number, from 1.
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some((self.next, line))
    }

    /// Returns the next fenced block; with `at_once`, only blank lines may come before it.
    fn next_fence(&mut self, at_once: bool) -> anyhow::Result<Fence> {
        while let Some((_, line)) = self.take() {
            if is_fence(line) {
                return self.fence(line);
            }
            ensure!(!at_once || line.trim().is_empty(), "a mark stands right before its fenced block");
            ensure!(mark(line).is_none(), "another mark comes before the expected output");
        }
        bail!("no fenced block follows")
    }

    /// Reads a fenced block to its end, its opening fence being `open`.
    fn fence(&mut self, open: &str) -> anyhow::Result<Fence> {
        let indent = open.len() - open.trim_start().len();
        let language = open.trim().trim_start_matches('`').trim().to_owned();
        let mut text = String::new();
        while let Some((_, line)) = self.take() {
            if line.trim() == "```" {
                return Ok(Fence { language, text });
            }
            let own = line.len() - line.trim_start().len();
            text.push_str(&line[own.min(indent)..]);
            text.push('\n');
        }
        bail!("the fenced block is never closed")
    }
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

/// Parts a script into the lines before its last command, and that command in one line.
///
/// A `&` after it is left out, because we do not wait for it anyway. A script of blank lines and
/// comments has an empty last command.
pub(crate) fn split_last_command(script: &str) -> (String, String) {
    let lines: Vec<&str> = script.lines().collect();
    let end = lines.iter().rposition(|line| is_command(line)).map_or(0, |last| last + 1);
    let mut start = end.saturating_sub(1);
    while start > 0 && lines[start - 1].trim_end().ends_with('\\') {
        start -= 1;
    }
    let words: Vec<&str> =
        lines[start..end].iter().map(|line| line.trim().trim_end_matches('\\').trim_end()).collect();
    let command = words.join(" ");
    let command = command.strip_suffix('&').map_or(command.as_str(), str::trim_end);
    (lines[..start].join("\n"), command.to_owned())
}

fn is_command(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

/// Returns the `cargo build` that does the building of a `cargo run`, so that waiting for the server
/// is not waiting for the compiler.
pub(crate) fn build_ahead(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let run = words.windows(2).position(|pair| pair == ["cargo", "run"])?;
    let mut build = String::from("cargo build");
    for word in words[run + 2..].iter().take_while(|word| **word != "--") {
        build.push(' ');
        build.push_str(word);
    }
    Some(build)
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# Comptoir

<!-- ci: run -->
```sh
comptoir apply project.toml
```

```sh
comptoir not-marked
```
<!-- ci: serve http://127.0.0.1:7070/readyz -->

```sh
comptoir serve
```

Then ask it:

<!-- ci: expect -->
```sh
curl -s http://127.0.0.1:7070/healthz
```

which answers

```text
ok
```

<!-- ci: printed -->
```text
listening
…
```
";

    #[test]
    fn marked_blocks_are_found_in_order() {
        let script = |text: &str| text.to_owned();
        let expected = [
            Block { line: 3, action: Action::Run { script: script("comptoir apply project.toml\n") } },
            Block {
                line: 11,
                action: Action::Serve {
                    url: "http://127.0.0.1:7070/readyz".into(),
                    script: script("comptoir serve\n"),
                },
            },
            Block {
                line: 19,
                action: Action::Expect {
                    script: script("curl -s http://127.0.0.1:7070/healthz\n"),
                    output: "ok\n".into(),
                },
            },
            Block { line: 30, action: Action::Printed { output: "listening\n…\n".into() } },
        ];
        assert_eq!(parse(README).unwrap(), expected);
    }

    fn error(markdown: &str) -> String {
        format!("{:#}", parse(markdown).unwrap_err())
    }

    #[test]
    fn marks_that_cannot_be_followed_are_named_by_line() {
        assert!(error("\n<!-- ci: walk -->\n```sh\n```\n").starts_with("README.md:2: `ci: walk` is none of"));
        assert!(error("<!-- ci: run -->\nprose\n```sh\n```\n").contains("right before"));
        assert!(error("<!-- ci: run -->\n```text\n```\n").contains("make it `sh`"));
        assert!(error("<!-- ci: run -->\n```sh\n$ ls\n```\n").contains("prompts"));
        assert!(error("<!-- ci: expect -->\n```sh\nls\n```\n").contains("no expected output"));
        assert!(error("<!-- ci: printed -->\n```sh\n```\n").contains("make it `text`"));
        assert!(error("```sh\nls\n").contains("never closed"));
    }

    #[test]
    fn a_block_in_a_list_loses_its_indent() {
        let blocks = parse("1. x\n\n   <!-- ci: run -->\n   ```sh\n   a\n     b\n   ```\n").unwrap();
        assert_eq!(blocks[0].action, Action::Run { script: "a\n  b\n".into() });
    }

    #[test]
    fn the_last_command_of_a_script_may_span_lines() {
        let parts = |script| {
            let (before, command) = split_last_command(script);
            format!("{before}|{command}")
        };
        assert_eq!(parts("comptoir serve\n"), "|comptoir serve");
        assert_eq!(parts("a\nb \\\n  --x \\\n  --y &\n# done\n"), "a|b --x --y");
        assert_eq!(parts("# nothing\n"), "|");
    }

    #[test]
    fn a_cargo_run_is_built_ahead() {
        let build = |command| build_ahead(command).unwrap_or_default();
        assert_eq!(build("cargo run --release -p cli -- demo"), "cargo build --release -p cli");
        assert_eq!(build("comptoir demo"), "");
    }
}
