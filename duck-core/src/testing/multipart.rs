//! A form with files, as a browser sends it: RFC 7578.

/// The parts of a form, each with its head.
#[derive(Debug, Default)]
pub(super) struct Multipart(Vec<(String, Vec<u8>)>);

impl Multipart {
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(name));
        self.0.push((head, value.as_bytes().to_owned()));
    }

    pub(super) fn file(&mut self, name: &str, file_name: &str, media_type: &str, bytes: Vec<u8>) {
        let (name, file_name) = (escaped(name), escaped(file_name));
        let head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: {media_type}"
        );
        self.0.push((head, bytes));
    }

    /// The media type, and the body.
    pub(super) fn encode(&self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let mut body = Vec::new();
        for (head, bytes) in &self.0 {
            body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// One that occurs in no part.
    fn boundary(&self) -> String {
        let mut boundary = "duck-boundary".to_owned();
        let finder = |boundary: &str| memchr::memmem::Finder::new(boundary).into_owned();
        while self
            .0
            .iter()
            .any(|(_, bytes)| finder(&boundary).find(bytes).is_some())
        {
            boundary.push('x');
        }
        boundary
    }
}

/// As browsers write a name between quotes.
fn escaped(name: &str) -> String {
    let name = name.replace('\r', "%0D").replace('\n', "%0A");
    name.replace('"', "%22")
}
