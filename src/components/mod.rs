//! Look and behaviour that know nothing of databases.
//!
//! Whatever a component changes by itself (a hover, a copied mark) lives in signals that may already be gone when a page
//! replaces its content, so event handlers here write with `try_set`.

mod badge;
mod bar;
pub mod browser;
mod button;
mod chart;
mod copy;
mod decision;
mod dialog;
mod empty;
mod field;
mod icon;
mod live;
mod pagination;
mod panel;
mod skeleton;
mod table;
mod tile;
mod time;
mod toast;
mod tone;

pub use badge::Badge;
pub use bar::{Meter, Segment, StackedBar};
pub use button::{OpenDialog, SubmitButton};
pub use chart::{Chart, ChartData, Mark, Series};
pub use copy::CopyButton;
pub use decision::Decision;
pub use dialog::{CancelButton, Dialog, Refusal};
pub use empty::EmptyState;
pub use field::{ReasonField, SelectField, TextField};
pub use icon::{Glyph, Icon};
pub use live::{Freshness, Live, Refresh};
pub use pagination::Pagination;
pub use panel::{Fact, PageHead, Panel};
pub use skeleton::Skeleton;
pub use table::{SortLink, Table};
pub use tile::Tile;
pub use time::{Clock, TimeStyleSwitch, Timestamp, iso, provide_clock, utc_text};
pub use toast::{ToastHost, Toasts, provide_toasts};
pub use tone::Tone;
