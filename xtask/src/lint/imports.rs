//! The paths that a Rust source names: what it imports, and what it calls by its whole path.

use std::str::FromStr as _;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path of two segments or more, as the source spells it: `crate::model::Fault`.
pub(super) type Path = Vec<String>;

/// What a source says of modules, tests left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// `super` and `self` of inline modules are resolved: they start at the file's module.
    pub(super) paths: Vec<Path>,
    /// Modules in files of their own that only tests have.
    pub(super) test_modules: Vec<String>,
}

/// Reads a source. Macros are read, too: a path in one is a path.
pub(super) fn read(text: &str) -> Result<Source> {
    let tokens = TokenStream::from_str(text).map_err(|error| anyhow!("no Rust: {error}"))?;
    let mut source = Source::default();
    items(tokens, &[], &mut source);
    Ok(source)
}

/// Reads tokens in the inline module `inside`.
fn items(tokens: TokenStream, inside: &[String], source: &mut Source) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            at += skip_item(&tokens[at..], source);
            continue;
        }
        if let (Some(name), Some(TokenTree::Group(body))) =
            (module(&tokens[at..]), tokens.get(at + 2))
            && body.delimiter() == Delimiter::Brace
        {
            let inside = [inside, &[name]].concat();
            items(body.stream(), &inside, source);
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => items(group.stream(), inside, source),
            TokenTree::Ident(_) if !follows_a_path(&tokens[..at]) => {
                let mut paths = Vec::new();
                at += tree(&tokens[at..], &[], &mut paths);
                let paths = paths.into_iter().filter(|path| path.len() > 1);
                source.paths.extend(paths.map(|path| resolve(path, inside)));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// The name in `mod name`.
fn module(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "mod" => {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// Whether `#[cfg(test)]` comes next.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
        if hash.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// Tokens up to the end of the item that starts here, its attributes included.
fn skip_item(tokens: &[TokenTree], source: &mut Source) -> usize {
    for (index, token) in tokens.iter().enumerate() {
        let is_end = match token {
            TokenTree::Punct(mark) => mark.as_char() == ';',
            TokenTree::Group(group) => {
                // Not of `use a::{b, c};`, where a semicolon ends the item.
                group.delimiter() == Delimiter::Brace && !is_separator(&tokens[..index])
            }
            _ => false,
        };
        if is_end {
            if matches!(token, TokenTree::Punct(_)) && index >= 2 {
                source.test_modules.extend(module(&tokens[index - 2..]));
            }
            return index + 1;
        }
    }
    tokens.len()
}

/// Whether what comes before ends in `::`.
fn is_separator(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Punct(first), TokenTree::Punct(second)]
        if first.as_char() == ':' && second.as_char() == ':')
}

/// Whether an identifier goes on with something: a path that is read already, or a field.
fn follows_a_path(before: &[TokenTree]) -> bool {
    is_separator(before) || matches!(before, [.., TokenTree::Punct(mark)] if mark.as_char() == '.')
}

/// Reads a path or a tree of a `use` that starts here; returns how many tokens it takes.
fn tree(tokens: &[TokenTree], prefix: &[String], paths: &mut Vec<Path>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && at > 0 => {
                branches(group.stream(), &path, paths);
                return at + 1;
            }
            // `*` or generic arguments.
            _ => break,
        }
        at += 1;
        if !is_separator(tokens.get(..at + 2).unwrap_or_default()) {
            break;
        }
        at += 2;
    }
    paths.push(path);
    at.max(1)
}

/// Reads what stands between the braces of a `use`.
fn branches(tokens: TokenStream, prefix: &[String], paths: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
    for branch in tokens.split(is_comma).filter(|branch| !branch.is_empty()) {
        tree(branch, prefix, paths);
    }
}

/// The same path as it were outside of inline modules.
fn resolve(path: Path, inside: &[String]) -> Path {
    let up = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match path.first().map(String::as_str) {
        Some("super") if up <= inside.len() => {
            let within = &inside[..inside.len() - up];
            [&["self".to_owned()], within, &path[up..]].concat()
        }
        Some("super") => path[inside.len()..].to_vec(),
        Some("self") => [&["self".to_owned()], inside, &path[1..]].concat(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let source = read(text).expect("Rust");
        source.paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_branch_of_a_use_is_a_path() {
        assert_eq!(
            paths("use crate::{a, b::{self, C as D}, e::*};\npub(crate) use super::f::G;"),
            [
                "crate::a",
                "crate::b::self",
                "crate::b::C",
                "crate::e",
                "super::f::G"
            ]
        );
    }

    #[test]
    fn paths_are_found_in_code_types_and_macros() {
        let text = "fn f(x: &crate::a::B<super::c::D>) { let y = crate::e::f::<u8>(x.g); assert!(crate::h::i()); }";
        assert_eq!(
            paths(text),
            ["crate::a::B", "super::c::D", "crate::e::f", "crate::h::i"]
        );
    }

    #[test]
    fn comments_and_text_are_no_paths() {
        assert!(
            paths(
                "// crate::a::b\n/// [`crate::c`]\nconst D: &str = \"crate::e::f\"; /* crate::g */"
            )
            .is_empty()
        );
    }

    #[test]
    fn inline_modules_are_part_of_their_file() {
        assert_eq!(
            paths("mod inner { use super::a::B; use super::super::c::D; use self::e::F; }"),
            ["self::a::B", "super::c::D", "self::inner::e::F"]
        );
    }

    #[test]
    fn tests_are_left_out() {
        let source = read(
            "#[cfg(test)]\nmod tests { use crate::a::B; }\n#[cfg(test)]\nuse crate::{c::D, e::F};\n\
             #[cfg(test)]\nmod made_up;\n#[cfg(test)]\npub(crate) mod sample;\nuse crate::g::H;",
        )
        .expect("Rust");
        assert_eq!(source.paths, [["crate", "g", "H"]]);
        assert_eq!(source.test_modules, ["made_up", "sample"]);
    }
}
