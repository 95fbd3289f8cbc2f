//! Whose it is, and what it is on Neon.

use leptos::prelude::*;

use super::{actions::PLAN, endpoint::moment};
use crate::components::{CopyButton, EmptyState, Fact, Glyph, Live, OpenDialog, Panel, Timestamp};
use crate::pages::{path, session, user_text::UserText};
use fleet_types::{DatabaseDetail, Owner, Permission, PoolRange, Time};

#[component]
pub fn OwnerPanel(live: Live<DatabaseDetail>) -> impl IntoView {
    view! {
        <Panel title="Owner">
            {move || {
                live.with(|detail| match &detail.row.owner {
                    Some(owner) => view! { <OwnerFacts owner=owner.clone() claimed_at=detail.row.claimed_at /> }.into_any(),
                    None => view! { <EmptyState glyph=Glyph::User title="It belongs to nobody">"It has not been claimed."</EmptyState> }.into_any(),
                })
            }}
        </Panel>
    }
}

#[component]
fn OwnerFacts(owner: Owner, claimed_at: Option<Time>) -> impl IntoView {
    let why_not = session::why_not(Permission::ManageDatabases);
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="E-mail">
                <Copyable text=owner.email what="e-mail address" />
            </Fact>
            <Fact name="Owner id">
                <Copyable text=owner.id what="owner id" />
            </Fact>
            {owner.organisation.map(|organisation| view! { <Fact name="Organisation"><UserText text=organisation /></Fact> })}
            <Fact name="Plan">
                <span class="inline-flex flex-wrap items-center gap-2">
                    {owner.plan} <OpenDialog dialog=PLAN text="Change plan" glyph=Glyph::Pencil why_not />
                </span>
            </Fact>
            <Fact name="Claimed">{moment(claimed_at)}</Fact>
        </dl>
    }
}

#[component]
pub fn ProjectPanel(live: Live<DatabaseDetail>) -> impl IntoView {
    view! { <Panel title="Database">{move || live.with(|detail| view! { <ProjectFacts detail=detail.clone() /> })}</Panel> }
}

#[component]
fn ProjectFacts(detail: DatabaseDetail) -> impl IntoView {
    let row = detail.row;
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="Id">
                <Copyable text=row.id.to_string() what="database id" />
            </Fact>
            <Fact name="Pool">
                <a class="link link-hover text-primary" href=path::pool(&row.pool, PoolRange::default())>
                    {row.pool.clone()}
                </a>
            </Fact>
            <Fact name="Region"><UserText text=row.region /></Fact>
            <Fact name="Postgres">{detail.pg_version}</Fact>
            {row.neon_project_id.map(|id| view! { <Fact name="Neon project"><Copyable text=id what="project id" /></Fact> })}
            <Fact name="Project name">
                <Copyable text=detail.neon_project_name what="project name" />
            </Fact>
            {detail.neon_branch_id.map(|id| view! { <Fact name="Branch"><Copyable text=id what="branch id" /></Fact> })}
            {detail.neon_endpoint_id.map(|id| view! { <Fact name="Endpoint"><Copyable text=id what="endpoint id" /></Fact> })}
            <Fact name="Requested">
                <Timestamp at=row.requested_at />
            </Fact>
            {detail.available_at.map(|at| view! { <Fact name="Available"><Timestamp at /></Fact> })}
            <Fact name="In this state since">
                <Timestamp at=detail.state_since />
            </Fact>
            {detail.deleted_at.map(|at| view! { <Fact name="Deleted"><Timestamp at /></Fact> })}
            {detail.recoverable_until.map(|at| view! { <Fact name="Recoverable until"><Timestamp at /></Fact> })}
        </dl>
    }
}

/// A value somebody will want to paste elsewhere.
#[component]
pub fn Copyable(text: String, what: &'static str) -> impl IntoView {
    view! {
        <span class="inline-flex max-w-full items-center gap-1">
            <span class="min-w-0 break-all"><UserText text=text.clone() /></span>
            <CopyButton text what />
        </span>
    }
}
