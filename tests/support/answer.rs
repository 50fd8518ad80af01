//! One answer, taken apart as a careful client would: strictly, so that the stories need not be.

/// How the bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The framing said so; the connection is still there.
    Framed,
    /// End of file.
    Closed,
    /// A reset.
    Reset,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status line, without its end.
    pub(crate) line: String,
    /// Names as sent, values, in order.
    pub(crate) fields: Vec<(String, String)>,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
    /// The size of each chunk with data, if it came in chunks.
    pub(crate) chunks: Vec<usize>,
    /// How it ended. `whole` says whether that was its right end.
    pub(crate) end: End,
    /// Everything that was announced has come.
    pub(crate) whole: bool,
}

impl Answer {
    /// Takes apart a head, without the empty line that ends it.
    pub(crate) fn of_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            assert!(!name.is_empty() && !name.contains([' ', '\t']), "no field name: {line:?}");
            (name.to_owned(), value.trim().to_owned())
        };
        let fields = lines.map(field).collect();
        let (body, chunks) = (Vec::new(), Vec::new());
        Self { line, fields, body, chunks, end: End::Framed, whole: false }
    }

    /// The number in the status line.
    pub(crate) fn status(&self) -> u16 {
        let number = self.line.split(' ').nth(1).and_then(|word| word.parse().ok());
        number.unwrap_or_else(|| panic!("no status line: {:?}", self.line))
    }

    /// The value of a field; at most one may have this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two fields {name}: {:?}", self.fields);
        first
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value in a body of `name=value` lines.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let text = self.text();
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
    }

    /// How the body is framed, for an answer to anything but HEAD.
    pub(crate) fn framing(&self) -> Framing {
        if matches!(self.status(), 100..=199 | 204 | 304) {
            assert_eq!(self.field("Content-Length"), None, "a length where there is no body");
            assert_eq!(self.field("Transfer-Encoding"), None, "a coding where there is no body");
            return Framing::None;
        }
        match (self.field("Transfer-Encoding"), self.field("Content-Length")) {
            (Some(coding), None) => {
                assert_eq!(coding, "chunked");
                Framing::Chunked
            }
            (None, Some(length)) => Framing::Length(length.parse().expect("a length of digits")),
            (None, None) => Framing::UntilEnd,
            (Some(_), Some(_)) => panic!("both lengths: {:?}", self.fields),
        }
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunked,
    /// To the end of file.
    UntilEnd,
}
