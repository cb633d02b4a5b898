//! `traceparent`, read by a second reader that shares no code with hopspan.

/// The fields of a valid header of version 00.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Traceparent {
    /// 32 hex digits.
    pub(crate) trace_id: String,
    /// 16 hex digits.
    pub(crate) parent_id: String,
    /// Two hex digits.
    pub(crate) flags: String,
}

impl Traceparent {
    /// Reads a value.
    ///
    /// # Panics
    ///
    /// When the value breaks the grammar, or an id is zero.
    #[track_caller]
    pub(crate) fn parse(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        let fields: Vec<&str> = text.split('-').collect();
        let &["00", trace_id, parent_id, flags] = fields.as_slice() else {
            panic!("four fields and version 00: {text:?}");
        };
        for (name, field, digits) in
            [("trace-id", trace_id, 32), ("parent-id", parent_id, 16), ("trace-flags", flags, 2)]
        {
            let hex = field.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hex && field.len() == digits, "{name}: {digits} hex digits: {text:?}");
        }
        assert!(trace_id.bytes().any(|it| it != b'0'), "trace-id is zero: {text:?}");
        assert!(parent_id.bytes().any(|it| it != b'0'), "parent-id is zero: {text:?}");
        Self { trace_id: trace_id.into(), parent_id: parent_id.into(), flags: flags.into() }
    }
}
