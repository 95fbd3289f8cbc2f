//! The icons, drawn on a grid of 24 with one stroke width. Decoration only: a word stands beside each.

use leptos::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    Alert,
    ArrowDown,
    ArrowRight,
    Block,
    Bolt,
    Book,
    Box,
    Check,
    ChevronLeft,
    ChevronRight,
    Clock,
    Copy,
    Cross,
    Database,
    Engine,
    Eye,
    Fleet,
    Gauge,
    Info,
    Layers,
    Link,
    Menu,
    Monitor,
    Moon,
    Pause,
    Pencil,
    Play,
    Refresh,
    Search,
    SignOut,
    Sun,
    Trash,
    User,
    Wave,
}

impl Glyph {
    fn path(self) -> &'static str {
        match self {
            Self::Alert => "M12 4 2.8 20h18.4L12 4ZM12 10v4.5M12 17.4v.1",
            Self::ArrowDown => "M12 5v14M6 13l6 6 6-6",
            Self::ArrowRight => "M5 12h14M13 6l6 6-6 6",
            Self::Block => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM5.7 5.7l12.6 12.6",
            Self::Bolt => "M13 3 5 13.5h6L10 21l9-11h-6.2L13 3Z",
            Self::Book => {
                "M5 4.5A1.5 1.5 0 0 1 6.5 3H19v15H6.5A1.5 1.5 0 0 0 5 19.5ZM5 19.5A1.5 1.5 0 0 0 6.5 21H19v-3M9 7.5h6"
            }
            Self::Box => "M4 8l8-4 8 4v8l-8 4-8-4V8ZM4 8l8 4 8-4M12 12v8",
            Self::Check => "M5 12.5l4.5 4.5L19 7.5",
            Self::ChevronLeft => "M14.5 6l-6 6 6 6",
            Self::ChevronRight => "M9.5 6l6 6-6 6",
            Self::Clock => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7.5V12l3 2",
            Self::Copy => "M9 9h10v11H9zM15 9V4.5H5V15h4",
            Self::Cross => "M6 6l12 12M18 6L6 18",
            Self::Database => {
                "M5 6c0-1.7 3.1-3 7-3s7 1.3 7 3-3.1 3-7 3-7-1.3-7-3ZM5 6v12c0 1.7 3.1 3 7 3s7-1.3 7-3V6M5 12c0 1.7 3.1 3 7 3s7-1.3 7-3"
            }
            Self::Engine => {
                "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M5.6 18.4l2.2-2.2M16.2 7.8l2.2-2.2"
            }
            Self::Eye => {
                "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z"
            }
            Self::Fleet => "M4 19V9M9.3 19V5M14.7 19v-7M20 19v-4M2.5 21.5h19",
            Self::Gauge => "M4.5 18a9 9 0 1 1 15 0M12 14l4-5M12 14a1.2 1.2 0 1 0 0 .1",
            Self::Info => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 11v5.5M12 7.6v.1",
            Self::Layers => "M12 3 3 8l9 5 9-5-9-5ZM3 12.5l9 5 9-5M3 17l9 5 9-5",
            Self::Link => {
                "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1"
            }
            Self::Menu => "M4 7h16M4 12h16M4 17h16",
            Self::Monitor => "M3.5 4.5h17v11.5h-17zM9 20h6M12 16v4",
            Self::Moon => "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
            Self::Pause => "M8 5v14M16 5v14",
            Self::Pencil => "M4 20l1-4.5L16.5 4 20 7.5 8.5 19 4 20ZM14 6.5l3.5 3.5",
            Self::Play => "M7 4.5v15l12-7.5-12-7.5Z",
            Self::Refresh => "M20 5v5h-5M4 19v-5h5M5 10a7.5 7.5 0 0 1 12.5-3L20 10M19 14a7.5 7.5 0 0 1-12.5 3L4 14",
            Self::Search => "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM16 16l4.5 4.5",
            Self::SignOut => "M9 4H5v16h4M15 8l4 4-4 4M19 12H9.5",
            Self::Sun => {
                "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"
            }
            Self::Trash => "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5",
            Self::User => "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.5 20.5c.8-4 3.7-6 7.5-6s6.7 2 7.5 6",
            Self::Wave => {
                "M2.5 9c2.4 0 2.4 2 4.8 2s2.4-2 4.7-2 2.4 2 4.8 2 2.4-2 4.7-2M2.5 15c2.4 0 2.4 2 4.8 2s2.4-2 4.7-2 2.4 2 4.8 2 2.4-2 4.7-2"
            }
        }
    }
}

#[component]
pub fn Icon(
    glyph: Glyph,
    /// Size and colour.
    #[prop(default = "size-4")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg
            class=class
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.75"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
        >
            <path d=glyph.path() />
        </svg>
    }
}
