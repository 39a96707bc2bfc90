//! Finding structs, their members and functions in BTF (linux/btf.h) without reading the rest of it: only where
//! each type begins is noted, which takes a tenth of the time of libraries that decode every type.

const MAGIC: u16 = 0xeb9f;
/// Name, kind with the number of members, and size or type.
const HEADER_BYTES: usize = 12;
const MEMBER_BYTES: usize = 12;
const PARAMETER_BYTES: usize = 8;
/// Bound: how deep structs without a name and qualifiers nest.
const DEPTH_MAX: u32 = 16;

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FORWARD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNCTION: u32 = 12;
    pub(super) const PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECLARATION_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// The types of a BTF file by their ids.
pub(super) struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where the type begins whose id is one more than the index.
    starts: Vec<u32>,
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Number {
        bytes: u32,
    },
    /// To what is named.
    Pointer(String),
    Other,
}

/// The head of a type.
struct Type {
    name: u32,
    kind: u32,
    members: usize,
    /// Of a struct or union: whether its members' offsets hold the sizes of bit fields, too.
    has_bit_fields: bool,
    /// What a typedef or qualifier stands for.
    target: u32,
    /// Where what follows the head lies.
    rest: usize,
}

impl<'a> Types<'a> {
    /// `None` if the bytes are not BTF, or have a kind of type that is not known yet.
    pub(super) fn index(btf: &'a [u8]) -> Option<Self> {
        let [types_at, types_len, strings_at, strings_len] = header(btf)?;
        let part = |start: usize, length: usize| btf.get(start..start.checked_add(length)?);
        let mut all = Self {
            types: part(types_at, types_len)?,
            strings: part(strings_at, strings_len)?,
            // A type takes some 20 bytes.
            starts: Vec::with_capacity(types_len / 16),
        };
        let mut at = 0;
        while at < all.types.len() {
            all.starts.push(u32::try_from(at).ok()?);
            let head = all.head(at)?;
            at = head.rest.checked_add(head.rest_bytes()?)?;
        }
        (at == all.types.len()).then_some(all)
    }

    /// The id of the struct of that name.
    pub(super) fn structure(&self, name: &[u8]) -> Option<u32> {
        let is_it = |&at: &u32| {
            let head = self.head(at as usize);
            head.is_some_and(|head| head.kind == kind::STRUCT && self.is_named(head.name, name))
        };
        let index = self.starts.iter().position(is_it)?;
        u32::try_from(index + 1).ok()
    }

    /// Where a member lies in a struct, also within structs and unions that have no name.
    pub(super) fn offset_bytes(&self, id: u32, member: &[u8]) -> Option<u32> {
        let bits = self.offset_bits(id, member, DEPTH_MAX)?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    fn offset_bits(&self, id: u32, name: &[u8], depth: u32) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        let head = self.head(self.start(id)?)?;
        match head.kind {
            kind::STRUCT | kind::UNION => {}
            kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::TYPE_TAG => {
                return self.offset_bits(head.target, name, depth);
            }
            _ => return None,
        }
        (0..head.members).find_map(|index| {
            let at = head.rest + index * MEMBER_BYTES;
            let [member, of_type] = [word(self.types, at)?, word(self.types, at + 4)?];
            let (offset, bit_field) = match word(self.types, at + 8)? {
                packed if head.has_bit_fields => (packed & 0x00ff_ffff, packed >> 24 != 0),
                offset => (offset, false),
            };
            if self.is_named(member, name) {
                return (!bit_field).then_some(offset);
            }
            let within = self.is_named(member, b"");
            within
                .then(|| self.offset_bits(of_type, name, depth))??
                .checked_add(offset)
        })
    }

    /// Calls `see` with the name, the kind and the type behind each function and typedef whose name begins
    /// with one of `prefixes`: the name is what follows.
    pub(super) fn named<'p>(
        &self,
        prefixes: &[&'p [u8]],
        mut see: impl FnMut(&'p [u8], &[u8], u32),
    ) {
        let heads = self.starts.iter().filter_map(|&at| self.head(at as usize));
        let named = heads.filter(|head| matches!(head.kind, kind::FUNCTION | kind::TYPEDEF));
        for head in named {
            let Some(text) = self.text(head.name) else {
                continue;
            };
            for prefix in prefixes {
                if let Some(rest) = text.strip_prefix(*prefix) {
                    let end = rest.iter().position(|&byte| byte == 0);
                    see(prefix, &rest[..end.unwrap_or(rest.len())], head.target);
                }
            }
        }
    }

    /// Returns the parameters of a function's prototype, or of the one that is pointed to: their names, empty
    /// where unknown, and their types.
    pub(super) fn parameters(&self, id: u32) -> Option<Vec<(String, u32)>> {
        let head = self.head(self.start(id)?)?;
        match head.kind {
            kind::PROTOTYPE => (0..head.members)
                .map(|index| {
                    let at = head.rest + index * PARAMETER_BYTES;
                    Some((
                        self.string(word(self.types, at)?)?,
                        word(self.types, at + 4)?,
                    ))
                })
                .collect(),
            kind::POINTER => {
                let target = self.head(self.start(head.target)?)?;
                let is_prototype = target.kind == kind::PROTOTYPE;
                is_prototype.then(|| self.parameters(head.target))?
            }
            _ => None,
        }
    }

    /// Returns what a type is, behind typedefs and qualifiers.
    pub(super) fn shape(&self, id: u32) -> Option<Shape> {
        let head = self.unqualified(id)?;
        Some(match head.kind {
            // What a typedef stands for, and the size of the others, are the same word.
            kind::INT | kind::ENUM | kind::ENUM64 => Shape::Number { bytes: head.target },
            kind::POINTER if head.target == 0 => Shape::Pointer("void".to_owned()),
            kind::POINTER => {
                let target = self.unqualified(head.target)?;
                let name = self.string(target.name)?;
                match target.kind {
                    kind::STRUCT | kind::FORWARD => Shape::Pointer(format!("struct {name}")),
                    kind::INT if target.target == 1 => Shape::Pointer("char".to_owned()),
                    _ => Shape::Pointer(name),
                }
            }
            _ => Shape::Other,
        })
    }

    fn unqualified(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH_MAX {
            let head = self.head(self.start(id)?)?;
            match head.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = head.target;
                }
                _ => return Some(head),
            }
        }
        None
    }

    fn text(&self, at: u32) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(at).ok()?..)
    }

    fn string(&self, at: u32) -> Option<String> {
        let text = self.text(at)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    fn start(&self, id: u32) -> Option<usize> {
        let start = self.starts.get(usize::try_from(id).ok()?.checked_sub(1)?)?;
        usize::try_from(*start).ok()
    }

    fn head(&self, at: usize) -> Option<Type> {
        let info = word(self.types, at + 4)?;
        Some(Type {
            name: word(self.types, at)?,
            kind: info >> 24 & 0x1f,
            members: (info & 0xffff) as usize,
            has_bit_fields: info >> 31 != 0,
            target: word(self.types, at + 8)?,
            rest: at + HEADER_BYTES,
        })
    }

    fn is_named(&self, at: u32, name: &[u8]) -> bool {
        self.text(at)
            .and_then(|text| text.strip_prefix(name))
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

impl Type {
    /// Bytes that follow the head.
    fn rest_bytes(&self) -> Option<usize> {
        Some(match self.kind {
            kind::POINTER
            | kind::FORWARD
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNCTION
            | kind::FLOAT
            | kind::TYPE_TAG => 0,
            kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
            kind::ARRAY => 12,
            kind::ENUM | kind::PROTOTYPE => 8 * self.members,
            kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM64 => 12 * self.members,
            _ => return None,
        })
    }
}

/// Where types and strings lie, and their lengths.
fn header(btf: &[u8]) -> Option<[usize; 4]> {
    let magic = btf.first_chunk().map(|magic| u16::from_ne_bytes(*magic));
    if magic != Some(MAGIC) {
        return None;
    }
    let field = |at| usize::try_from(word(btf, at)?).ok();
    let length = field(4)?;
    Some([
        length.checked_add(field(8)?)?,
        field(12)?,
        length.checked_add(field(16)?)?,
        field(20)?,
    ])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*word))
}
