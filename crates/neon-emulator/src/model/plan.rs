//! What an organisation pays for, and what that allows. The figures are those of Neon's pages of 2026.

use serde::{Deserialize, Serialize};

/// From the lowest to the highest. The two of agents are those of platforms that give each of their users a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Plan {
    Free,
    AgentFree,
    Launch,
    #[default]
    Scale,
    AgentPaid,
}

const DAY: i32 = 86_400;

impl Plan {
    pub const ALL: [Self; 5] = [Self::Free, Self::AgentFree, Self::Launch, Self::Scale, Self::AgentPaid];

    /// As one writes it, and as a transfer names it that it forbids.
    pub fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::AgentFree => "agent-free",
            Self::Launch => "launch",
            Self::Scale => "scale",
            Self::AgentPaid => "agent-paid",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.word() == word)
    }

    /// As an organisation and its consumption name it. Those of agents have no known name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free_v3",
            Self::Launch => "launch_v3",
            Self::Scale => "scale_v3",
            Self::AgentFree | Self::AgentPaid => self.word(),
        }
    }

    /// As the owner of a project has it, which is one of a list.
    pub fn subscription_type(self) -> &'static str {
        match self {
            Self::AgentFree | Self::AgentPaid => "direct_sales_v3",
            plan => plan.name(),
        }
    }

    /// Branches of a project, the root branch included.
    pub fn most_branches(self) -> usize {
        match self {
            Self::Free | Self::AgentFree => 10,
            Self::Launch | Self::Scale => 5_000,
            Self::AgentPaid => 1_000,
        }
    }

    /// The largest compute, in CU.
    pub fn most_cu(self) -> f64 {
        match self {
            Self::Free | Self::AgentFree => 2.0,
            Self::Launch | Self::AgentPaid => 16.0,
            Self::Scale => 56.0,
        }
    }

    /// How long history may be kept, in seconds.
    pub fn longest_history(self) -> i32 {
        match self {
            Self::Free => DAY / 4,
            Self::AgentFree => DAY,
            Self::Launch | Self::AgentPaid => 7 * DAY,
            Self::Scale => 30 * DAY,
        }
    }

    /// Whether a compute may be suspended after so many seconds; 0 is Neon's default, -1 never.
    pub fn allows_suspend_after(self, seconds: i64) -> bool {
        match self {
            _ if seconds == 0 => true,
            Self::Free => false,
            Self::AgentFree => seconds >= 300,
            Self::Launch => seconds == -1 || seconds == 300,
            Self::Scale | Self::AgentPaid => seconds == -1 || seconds >= 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn plans_are_named_by_their_words_from_low_to_high() {
        assert!(Plan::ALL.is_sorted());
        for plan in Plan::ALL {
            assert_eq!(Plan::named(plan.word()), Some(plan));
        }
        assert_eq!(Plan::named("enterprise"), None);
    }

    #[test]
    fn a_free_plan_takes_no_timeout_of_ones_own() {
        let allowed = |plan: Plan| [-1, 0, 60, 300, 3_600].map(|seconds| plan.allows_suspend_after(seconds));
        assert_eq!(allowed(Plan::Free), [false, true, false, false, false]);
        assert_eq!(allowed(Plan::AgentFree), [false, true, false, true, true]);
        assert_eq!(allowed(Plan::Launch), [true, true, false, true, false]);
        assert_eq!(allowed(Plan::Scale), [true; 5]);
    }
}
