//! Serves the files that `main.rs` puts into the program, by the service that also serves folders: ranges, conditions, lengths and compressed variants work alike.

use std::{
    future::{Ready, ready},
    io::{self, Cursor, SeekFrom},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use include_dir::Dir;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File, Metadata};

#[derive(Clone, Copy, Debug)]
pub struct EmbeddedFiles(pub &'static Dir<'static>);

/// A file that is being read.
#[derive(Debug)]
pub struct Open {
    bytes: Cursor<&'static [u8]>,
    about: About,
}

/// What is known of a file, or that a folder is one.
#[derive(Clone, Copy, Debug)]
pub struct About {
    is_dir: bool,
    length: u64,
    modified: SystemTime,
}

impl EmbeddedFiles {
    fn find(&self, path: &Path) -> io::Result<Open> {
        // Asked for below the folder in which we stand.
        let path = path.strip_prefix(".").unwrap_or(path);
        if let Some(file) = self.0.get_file(path) {
            let bytes = file.contents();
            let modified = file.metadata().map_or(SystemTime::UNIX_EPOCH, |about| about.modified());
            let about = About { is_dir: false, length: bytes.len() as u64, modified };
            return Ok(Open { bytes: Cursor::new(bytes), about });
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        let is_dir = self.0.get_dir(path.strip_prefix(".").unwrap_or(path)).is_some();
        if is_dir {
            return Ok(About { is_dir, length: 0, modified: SystemTime::UNIX_EPOCH });
        }
        self.find(path).map(|open| open.about)
    }
}

impl Backend for EmbeddedFiles {
    type File = Open;
    type Metadata = About;
    type OpenFuture = Ready<io::Result<Open>>;
    type MetadataFuture = Ready<io::Result<About>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(self.find(&path))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        ready(self.about(&path))
    }
}

impl Metadata for About {
    fn is_dir(&self) -> bool {
        self.is_dir
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.modified)
    }

    fn len(&self) -> u64 {
        self.length
    }
}

impl File for Open {
    type Metadata = About;
    type MetadataFuture<'a> = Ready<io::Result<About>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.about))
    }
}

impl AsyncRead for Open {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

impl AsyncSeek for Open {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.bytes).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.bytes).poll_complete(context)
    }
}
