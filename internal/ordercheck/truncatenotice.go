package ordercheck

import (
	"cmp"
	"slices"
)

// Limits of a notice. Each receiver's notice has its own payload, and several may wait for a mail
// server that is down. Sizes are in bytes of JSON.
const (
	maxNoticeFindings     = 100
	maxNoticeFindingsSize = 64 << 10
	maxNoticeRules        = 50
	maxNoticeRulesSize    = 8 << 10
	// MaxResolved limits the findings that a notice lists as fixed.
	MaxResolved = 50
	// maxSummariesSize limits the list of findings that people know of.
	maxSummariesSize = 128 << 10
)

// Truncate shortens a notice so that it fits a payload and a mail. It lists the most urgent
// findings of the notice's report, and counts the others.
func (n *Notice) Truncate() {
	r := &n.Report
	r.SetFindings(
		truncateFindings(r.Findings, r.Omitted, maxNoticeFindings, maxNoticeFindingsSize, urgentFirst),
	)
	r.Skipped = truncateSkipped(r.Skipped, maxNoticeRules, maxNoticeRulesSize)
	r.RuleErrors = truncateRuleErrors(r.RuleErrors, maxNoticeRules, maxNoticeRulesSize)
}

// urgentFirst compares findings by how urgently a reader must act.
func urgentFirst(a, b Finding) int { return cmp.Compare(urgency(&a), urgency(&b)) }

func urgency(f *Finding) int {
	switch {
	case f.Severity != SeverityError:
		return 3
	case f.State == FindingOverridden:
		return 2
	case f.State == FindingPending:
		return 1
	default:
		return 0
	}
}

// Summaries returns findings with only the fields needed to recognize them and to say that they are
// gone.
func Summaries(findings []*Finding) []Finding {
	summaries := make([]Finding, len(findings))
	for _, limit := range []int{200, 60, 0} {
		size := 0
		for i, f := range findings {
			summaries[i] = Finding{
				ID: f.ID, RuleID: f.RuleID, Severity: f.Severity, Scope: f.Scope,
				LineNumber: f.LineNumber, Count: f.Count, FirstSeen: f.FirstSeen,
				Message:  Cut(f.Message, limit),
				Expected: Cut(f.Expected, min(limit, 60)),
				Actual:   Cut(f.Actual, min(limit, 60)),
			}
			size += jsonSize(&summaries[i])
		}
		if size <= maxSummariesSize {
			break
		}
	}
	return slices.Clip(summaries)
}

// maxUnlistedSize limits the overridden findings that a report no longer lists.
const maxUnlistedSize = 64 << 10

// Unlisted returns findings with only the fields needed to recognize their overrides. If they are
// too large together, it drops the last ones, and somebody has to override them again.
func Unlisted(findings []Finding) []Finding {
	reduced := make([]Finding, len(findings))
	for i := range findings {
		f := &findings[i]
		reduced[i] = Finding{
			ID: f.ID, RuleID: f.RuleID, Severity: f.Severity, Scope: f.Scope,
			State: f.State, FirstSeen: f.FirstSeen, Override: f.Override, FactsDigest: f.Facts(),
		}
	}
	return fit(reduced, maxUnlistedSize, func(*Finding, int) {})
}
