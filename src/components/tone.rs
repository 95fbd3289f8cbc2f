//! What a colour means. Whoever picks a tone also picks an icon and a word: colour never speaks alone.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Neutral,
    /// In motion, or the thing in focus.
    Accent,
    Good,
    Warning,
    Bad,
}

impl Tone {
    pub fn badge(self) -> &'static str {
        match self {
            Self::Neutral => "badge-ghost",
            Self::Accent => "badge-soft badge-info",
            Self::Good => "badge-soft badge-success",
            Self::Warning => "badge-soft badge-warning",
            Self::Bad => "badge-soft badge-error",
        }
    }

    pub fn alert(self) -> &'static str {
        match self {
            Self::Neutral => "notice",
            Self::Accent => "notice notice-info",
            Self::Good => "notice notice-success",
            Self::Warning => "notice notice-warning",
            Self::Bad => "notice notice-error",
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Neutral => "text-base-content",
            Self::Accent => "text-info",
            Self::Good => "text-success",
            Self::Warning => "text-warning",
            Self::Bad => "text-error",
        }
    }

    /// For `<progress>`.
    pub fn progress(self) -> &'static str {
        match self {
            Self::Neutral => "progress-neutral",
            Self::Accent => "progress-primary",
            Self::Good => "progress-success",
            Self::Warning => "progress-warning",
            Self::Bad => "progress-error",
        }
    }
}
