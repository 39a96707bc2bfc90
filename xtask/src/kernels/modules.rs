//! Kernel modules: what each needs first, as it says itself.

use std::collections::BTreeSet;

/// The names in `depends=` of a module's section `.modinfo`, which holds strings that end in NUL.
pub(super) fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"depends=";
    module
        .split(|&byte| byte == 0)
        .find_map(|text| text.strip_prefix(KEY))
        .map(|names| String::from_utf8_lossy(names).into_owned())
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// One spelling for the two that file names and dependencies use.
pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The module's name in a file's, which ends in `.ko` or `.ko.xz`.
pub(super) fn name_of_file(file: &str) -> Option<String> {
    let name = file
        .strip_suffix(".ko")
        .or_else(|| file.strip_suffix(".ko.xz"))?;
    Some(canonical(name))
}

/// The order to load modules in: each after what it needs. What `needs` does not know (`None`) is
/// built in, or not there at all.
pub(super) fn load_order(
    wanted: &[&str],
    needs: &mut impl FnMut(&str) -> Option<Vec<String>>,
) -> Vec<String> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in wanted {
        visit(&canonical(name), needs, &mut seen, &mut order);
    }
    order
}

fn visit(
    name: &str,
    needs: &mut impl FnMut(&str) -> Option<Vec<String>>,
    seen: &mut BTreeSet<String>,
    order: &mut Vec<String>,
) {
    if !seen.insert(name.to_owned()) {
        return;
    }
    let Some(first) = needs(name) else {
        return;
    };
    for name in first {
        visit(&canonical(&name), needs, seen, order);
    }
    order.push(name.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_module() {
        let module = b"\x7fELF..\0license=GPL\0depends=zsmalloc,lz4-compress\0name=zram\0";
        assert_eq!(depends(module), ["zsmalloc", "lz4-compress"]);
        assert!(depends(b"\0depends=\0name=fuse\0").is_empty());
        assert!(depends(b"no section").is_empty());
    }

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let mut needs = |name: &str| {
            let names: &[&str] = match name {
                "zram" => &["zsmalloc", "lz4-compress", "built_in"],
                "lz4" => &["lz4_compress"],
                "zsmalloc" | "lz4_compress" => &[],
                _ => return None,
            };
            Some(names.iter().map(|&name| name.to_owned()).collect())
        };
        assert_eq!(
            load_order(&["zram", "lz4", "fuse"], &mut needs),
            ["zsmalloc", "lz4_compress", "zram", "lz4"]
        );
    }

    #[test]
    fn a_file_names_its_module() {
        assert_eq!(name_of_file("lzo-rle.ko").as_deref(), Some("lzo_rle"));
        assert_eq!(name_of_file("zram.ko.xz").as_deref(), Some("zram"));
        assert_eq!(name_of_file("modules.dep"), None);
    }
}
