//! `.env`: variables for a site, one a line.
//!
//! `duck run` reads the same file before the site is built, and compiles this source for it: what a
//! line means is decided here, for both.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// One variable of the file.
#[derive(Debug, PartialEq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The line it begins on, from 1.
    pub(crate) line: usize,
}

/// A line that cannot be read, and what would be right. Nothing of the line is in it: the line may
/// be a piece of a secret.
#[derive(Debug, PartialEq)]
struct Fault {
    line: usize,
    right: &'static str,
}

const NOT_A_VARIABLE: &str = "a line is NAME=value, a comment that begins with #, or empty";
const NOT_CLOSED: &str = "the value begins with a quote that is not closed";
const TEXT_BEHIND: &str = "text follows the closing quote of the value; put a value that contains \
     quotes between quotes of the other kind, or write it without any around it";
const CONTROL: &str = "the value contains a control character";
const NOT_UTF8: &str = "the file is not UTF-8 text";

/// Reads the file. One that does not exist has no variables. Of two with one name, the last counts.
///
/// # Errors
/// A sentence with the file, the line and what would be right, and with nothing that is in the file.
pub(crate) fn read(file: &Path) -> Result<Vec<Variable>, String> {
    let shown = file.display();
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        // A link to nothing was meant to be read.
        Err(error) if error.kind() == ErrorKind::NotFound && !file.is_symlink() => {
            return Ok(Vec::new());
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(format!(
                "{shown} is a folder; it should be a file of variables"
            ));
        }
        Err(error) => return Err(format!("cannot read {shown}: {error}")),
    };
    text(&bytes)
        .and_then(parse)
        .map_err(|Fault { line, right }| format!("{shown}, line {line}: {right}"))
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.split(|&byte| byte == b'\n').count();
        let right = NOT_UTF8;
        Fault { line, right }
    })
}

fn parse(text: &str) -> Result<Vec<Variable>, Fault> {
    let mut variables = Vec::new();
    let mut line = 1;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let first = first_line(rest);
        let mut length = first.len();
        if !is_blank(first) {
            let at_line = |right| Fault { line, right };
            let (name, value) = first
                .split_once('=')
                .ok_or(NOT_A_VARIABLE)
                .and_then(|(name, _)| Ok((variable_name(name)?, &rest[name.len() + 1..])))
                .map_err(at_line)?;
            let (value, end) = read_value(value).map_err(at_line)?;
            length = rest.len() - end.len();
            variables.push(Variable { name, value, line });
        }
        line += rest[..length].matches('\n').count() + 1;
        rest = rest[length..].strip_prefix('\n').unwrap_or_default();
    }
    Ok(variables)
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// Nothing, or a comment.
fn is_blank(line: &str) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || line.starts_with('#')
}

/// The name before the `=`, without the `export` that shells want.
fn variable_name(text: &str) -> Result<String, &'static str> {
    let text = text.trim_ascii();
    let name = match text.strip_prefix("export") {
        Some(name) if name.starts_with([' ', '\t']) => name.trim_ascii_start(),
        _ => text,
    };
    let fits = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(NOT_A_VARIABLE);
    }
    Ok(name.to_owned())
}

/// The value behind the `=`, and the text from the end of its line on. It is what is written: neither
/// `$` nor `\` means anything.
fn read_value(text: &str) -> Result<(String, &str), &'static str> {
    let line = first_line(text);
    let rest = &text[line.len()..];
    let written = line.trim_ascii_start();
    let Some(quote) = written
        .chars()
        .next()
        .filter(|first| "'\"".contains(*first))
    else {
        let value = without_comment(line).trim_ascii();
        let is_plain = !value.chars().any(|c| c.is_control() && c != '\t');
        return is_plain.then(|| (value.to_owned(), rest)).ok_or(CONTROL);
    };
    let inside = &text[line.len() - written.len() + 1..];
    let (value, behind) = inside.split_once(quote).ok_or(NOT_CLOSED)?;
    let tail = first_line(behind);
    if !without_comment(tail).trim_ascii().is_empty() {
        return Err(TEXT_BEHIND);
    }
    Ok((value.to_owned(), &behind[tail.len()..]))
}

/// A comment begins with a `#` that has a space before it: `#fff` and `a#b` are values.
fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| line[..*at].ends_with([' ', '\t']);
    let comment = line.match_indices('#').map(|(at, _)| at).find(is_comment);
    comment.map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, and the values they give `X`, `Y` and so on.
    const GOOD: &[(&str, &[(&str, &str)])] = &[
        ("", &[]),
        ("\n \n\t\n# X=1\n  # X=1", &[]),
        ("X=1", &[("X", "1")]),
        ("X=1\nY=2\n", &[("X", "1"), ("Y", "2")]),
        (
            "X=1\r\nY=\"2\"\r\n\r\nZ=3\r\n",
            &[("X", "1"), ("Y", "2"), ("Z", "3")],
        ),
        ("\u{feff}X=1", &[("X", "1")]),
        ("\u{feff}# a comment\nX=1", &[("X", "1")]),
        (
            "export X=1\nexport\tY=2\nexport=3",
            &[("X", "1"), ("Y", "2"), ("export", "3")],
        ),
        ("  X = 1  \nY\t=\t2\t", &[("X", "1"), ("Y", "2")]),
        ("X=\nY= \nZ=\"\"", &[("X", ""), ("Y", ""), ("Z", "")]),
        ("X=1\nX=2", &[("X", "1"), ("X", "2")]),
        // What other readers of such files change.
        ("X=a$b${HOME}$$", &[("X", "a$b${HOME}$$")]),
        (
            "X=\"a$b${HOME}\"\nY='a$b'",
            &[("X", "a$b${HOME}"), ("Y", "a$b")],
        ),
        (r"X=a\nb\\c\", &[("X", r"a\nb\\c\")]),
        (r#"X="a\nb\\c""#, &[("X", r"a\nb\\c")]),
        ("X=`a`!%*", &[("X", "`a`!%*")]),
        ("X=a b=c", &[("X", "a b=c")]),
        // Quotes are taken off where they stand around the whole value.
        ("X=[\"10.0.0.0/8\"]", &[("X", "[\"10.0.0.0/8\"]")]),
        (
            "X='[\"10.0.0.0/8\", \"::1\"]'",
            &[("X", "[\"10.0.0.0/8\", \"::1\"]")],
        ),
        (
            "X=\"it's\"\nY='say \"hi\"'",
            &[("X", "it's"), ("Y", "say \"hi\"")],
        ),
        ("X=a\"b'c", &[("X", "a\"b'c")]),
        ("X=\" a \"", &[("X", " a ")]),
        ("X=\"a\nb\"\nY=2", &[("X", "a\nb"), ("Y", "2")]),
        // Comments.
        (
            "X=a#b\nY=#fff\nZ=a #b",
            &[("X", "a#b"), ("Y", "#fff"), ("Z", "a")],
        ),
        ("X= # nothing\nY=a##b\t# c", &[("X", ""), ("Y", "a##b")]),
        ("X=\"a #b\" # c\nY='#'", &[("X", "a #b"), ("Y", "#")]),
        ("X=ü\u{a0}", &[("X", "ü\u{a0}")]),
    ];

    /// Texts, and the line and the mistake that are named.
    const BAD: &[(&str, usize, &str)] = &[
        ("hush", 1, NOT_A_VARIABLE),
        ("X=1\n\nhush\n", 3, NOT_A_VARIABLE),
        ("export X", 1, NOT_A_VARIABLE),
        ("=hush", 1, NOT_A_VARIABLE),
        ("X hush=1", 1, NOT_A_VARIABLE),
        ("X: hush=1", 1, NOT_A_VARIABLE),
        ("\u{feff}\u{feff}X=1", 1, NOT_A_VARIABLE),
        ("D\0U\0C\0K\0=\0h\0", 1, NOT_A_VARIABLE),
        ("X=1\nY=\"hush\n", 2, NOT_CLOSED),
        ("X='hush\"", 1, NOT_CLOSED),
        ("X=\"hush\" hush", 1, TEXT_BEHIND),
        ("X=\"hush\"#hush", 1, TEXT_BEHIND),
        ("X=\"a\nb\"\nY=\"hush\"hush\"", 3, TEXT_BEHIND),
        (r#"X="say \"hush\"""#, 1, TEXT_BEHIND),
        ("X=\"hush\nY=\"hush\"", 1, TEXT_BEHIND),
        ("X=1\rY=hush", 1, CONTROL),
        ("X=hush\0", 1, CONTROL),
    ];

    #[test]
    fn values_are_what_is_written() {
        for (text, expected) in GOOD {
            let variables = parse(text).unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
            let pairs: Vec<_> = variables
                .iter()
                .map(|variable| (variable.name.as_str(), variable.value.as_str()))
                .collect();
            assert_eq!(pairs, *expected, "{text:?}");
        }
    }

    #[test]
    fn a_fault_names_its_line_and_what_would_be_right() {
        for (text, line, right) in BAD {
            let fault = Fault { line: *line, right };
            assert_eq!(parse(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn variables_know_their_lines() {
        let variables = parse("# a\nX=1\n\nY='a\nb'\r\nZ=3").unwrap();
        let lines: Vec<_> = variables.iter().map(|variable| variable.line).collect();
        assert_eq!(lines, [2, 4, 6]);
    }

    #[test]
    fn nothing_of_a_faulty_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        let mut contents: Vec<Vec<u8>> = BAD
            .iter()
            .map(|(text, ..)| text.as_bytes().into())
            .collect();
        contents.push(b"X=1\nX=hush\xff".into());
        contents.push([0xff, 0xfe, b'X', 0, b'=', 0].into());
        for bytes in contents {
            fs::write(&file, &bytes).unwrap();
            let error = read(&file).unwrap_err();
            assert!(
                error.contains(".env, line ") && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_empty_and_one_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        assert_eq!(read(&file), Ok(Vec::new()));
        std::os::unix::fs::symlink("nowhere", &file).unwrap();
        assert!(read(&file).unwrap_err().starts_with("cannot read "));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(read(&file).unwrap_err().contains(".env is a folder"));
    }
}
