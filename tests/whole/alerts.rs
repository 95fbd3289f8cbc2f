//! The alert rules: each leads to a section of the runbook that is there, and asks for series that `/metrics` has.

use std::{collections::BTreeSet, fs, path::Path};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// As GitHub and most others make them of headings.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let heads = markdown.lines().filter_map(|line| line.strip_prefix('#'));
    let letters = |head: &str| {
        let text = head.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    };
    heads.map(letters).collect()
}

/// Each rule with its name.
fn rules(text: &str) -> Vec<(&str, &str)> {
    let rules = text.split("      - alert: ").skip(1);
    rules.map(|rule| rule.split_once('\n').unwrap()).collect()
}

#[test]
fn every_alert_leads_to_its_section_of_the_runbook() {
    let (text, runbook) = (read("docs/alerts.yml"), anchors(&read("docs/operations.md")));
    let rules = rules(&text);
    assert!(rules.len() > 20, "the rules are not where they were");
    for (name, rule) in rules {
        let page = rule.lines().find_map(|line| line.trim().strip_prefix("runbook_url: "));
        let page = page.unwrap_or_else(|| panic!("{name} names no page"));
        let anchor = page.split_once("operations.md#").unwrap_or_else(|| panic!("{name}: {page}")).1;
        assert!(runbook.contains(anchor), "{name}: operations.md has no section {anchor}");
    }
}

#[test]
fn every_link_within_the_manual_leads_somewhere() {
    let text = read("docs/operations.md");
    let sections = anchors(&text);
    let links: Vec<&str> = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(sections.contains(link), "operations.md has no section {link}");
    }
}

#[test]
fn a_whole_outage_is_noticed_by_what_is_absent() {
    let text = read("docs/alerts.yml");
    let absent: BTreeSet<&str> =
        text.split("absent(").skip(1).filter_map(|rest| rest.split([')', '{']).next()).collect();
    for series in ["flotilla_build_info", "flotilla_duty_last_finished_timestamp_seconds"] {
        assert!(absent.contains(series), "nobody is told when {series} is gone");
    }
}
