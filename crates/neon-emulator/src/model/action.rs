//! The steps of which operations consist.

/// A step that takes time. Three of them are `start_compute` to the client and differ in their duration only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    CreateTimeline,
    /// The start that follows the creation of a project.
    FirstStart,
    StartCompute,
    /// The start that a connection causes.
    Wake,
    SuspendCompute,
    ApplyConfig,
    ApplyStorageConfig,
    CreateBranch,
    DeleteTimeline,
    /// Neon's own, of computes that have been idle for long.
    CheckAvailability,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateTimeline => "create_timeline",
            Self::FirstStart | Self::StartCompute | Self::Wake => "start_compute",
            Self::SuspendCompute => "suspend_compute",
            Self::ApplyConfig => "apply_config",
            Self::ApplyStorageConfig => "apply_storage_config",
            Self::CreateBranch => "create_branch",
            Self::DeleteTimeline => "delete_timeline",
            Self::CheckAvailability => "check_availability",
        }
    }

    /// Whether it is about a compute rather than the storage.
    pub(super) fn concerns_endpoint(self) -> bool {
        !matches!(self, Self::CreateTimeline | Self::ApplyStorageConfig | Self::CreateBranch | Self::DeleteTimeline)
    }
}
