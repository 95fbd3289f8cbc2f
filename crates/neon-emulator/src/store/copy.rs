//! New projects in PostgreSQL's binary COPY format, many times faster than statements. The list of columns stands once;
//! columns that are not in it take their defaults.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Instant;
use crate::model::{ComputeState, Pattern, Project, Quota};

/// From PostgreSQL's documentation of COPY: signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
/// PostgreSQL counts from the year 2000.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

macro_rules! columns {
    ($($column:ident)+) => {
        const COLUMNS: &[&str] = &[$(stringify!($column)),+];

        fn put_row(project: &Project, out: &mut Vec<u8>) {
            out.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
            $(project.$column.put(out);)+
        }
    };
}

columns! {
    id name region_id pg_version org_id created_at updated_at deleted_at purged_at busy_until store_passwords
    history_retention_seconds quota settings default_min_cu default_max_cu default_suspend_seconds default_pg_settings
    branch_id branch_name endpoint_id endpoint_name endpoint_min_cu endpoint_max_cu endpoint_suspend_seconds
    endpoint_disabled endpoint_settings endpoint_updated_at compute_state compute_pending compute_pending_due
    compute_started_at compute_suspended_at compute_last_active compute_idle_due compute_held role_name role_password
    database_name database_id materialized_at empty_size base_size logical_size used_since used_active_seconds
    used_compute_seconds used_written_bytes used_transfer_bytes used_storage_byte_hours usage_pattern usage_seed
    charged_until modeled_from compute_modeled quota_due quota_blocked_at writes_refused
}

/// The statement that takes the bytes of `encoded`.
pub fn statement() -> String {
    format!("COPY projects ({}) FROM STDIN (FORMAT binary)", COLUMNS.join(", "))
}

pub fn encoded(projects: &[Project]) -> Vec<u8> {
    let mut out = Vec::with_capacity(projects.len() * 900);
    out.extend_from_slice(HEADER);
    for project in projects {
        put_row(project, &mut out);
    }
    out.extend_from_slice(&TRAILER.to_be_bytes());
    out
}

/// A value with its length before it.
trait Field {
    fn put(&self, out: &mut Vec<u8>);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put(out),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
}

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&[u8::from(*self)], out);
    }
}

impl Field for Instant {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&(self.timestamp_micros() - EPOCH_MICROSECONDS).to_be_bytes(), out);
    }
}

macro_rules! big_endian {
    ($($kind:ty)+) => {
        $(impl Field for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                put_bytes(&self.to_be_bytes(), out);
            }
        })+
    };
}

big_endian! { i16 i32 i64 f64 }

impl Field for ComputeState {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.name().as_bytes(), out);
    }
}

impl Field for Pattern {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.name().as_bytes(), out);
    }
}

impl Field for Quota {
    fn put(&self, out: &mut Vec<u8>) {
        put_json(self, out);
    }
}

impl Field for Value {
    fn put(&self, out: &mut Vec<u8>) {
        put_json(self, out);
    }
}

/// The only version of jsonb's format is 1; the rest is text.
fn put_json(value: &impl Serialize, out: &mut Vec<u8>) {
    let mut bytes = vec![1];
    // What is serialized here are plain values, which cannot fail; null would be the answer.
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes = b"\x01null".to_vec();
    }
    put_bytes(&bytes, out);
}
