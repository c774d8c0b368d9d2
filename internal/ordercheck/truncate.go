package ordercheck

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of a report. Temporal ends a run whose payload is over 2 MiB, and a run that continues as
// new carries more than the report.
const (
	// MaxFindings limits the findings that a report lists.
	MaxFindings = 500
	// MaxText limits a text of a finding, in characters.
	MaxText = 1000
	// maxGroups limits the entries of [Report.Omitted].
	maxGroups = 50
	// maxRules limits the entries of Skipped, maxRuleErrors the entries of RuleErrors.
	maxRules      = 500
	maxRuleErrors = 100

	// Sizes are in bytes of JSON.
	maxFindingsSize   = 384 << 10
	maxRulesSize      = 64 << 10
	maxRuleErrorsSize = 64 << 10
	maxShadowSize     = 64 << 10
)

// OtherRules is the rule id of an entry that counts findings of several rules.
const OtherRules = "…"

// textLimits are the lengths, in characters, to which fit cuts the texts of a list. It tries one
// after the other until the list fits.
var textLimits = []int{MaxText, 400, 150, 60}

// Truncate shortens the result of a check until it fits a payload. It lists at most [MaxFindings]
// findings, errors first, and counts the others in Omitted.
func (c *CheckedOrder) Truncate() {
	c.Findings, c.Omitted = truncateFindings(c.Findings, c.Omitted, MaxFindings, maxFindingsSize,
		errorsFirst)
	c.Skipped = truncateSkipped(c.Skipped, maxRules, maxRulesSize)
	c.RuleErrors = truncateRuleErrors(c.RuleErrors, maxRuleErrors, maxRuleErrorsSize)
	c.Terms = slices.DeleteFunc(c.Terms, func(t Terms) bool {
		ofRule := func(f Finding) bool { return f.RuleID == t.RuleID }
		return !slices.ContainsFunc(c.Findings, ofRule) && !slices.ContainsFunc(c.Omitted, ofRule)
	})
	c.Shadow = fit(c.Shadow, maxShadowSize,
		func(s *ShadowResult, limit int) {
			s.Error, s.Skipped = Cut(s.Error, limit), Cut(s.Skipped, limit)
		})
}

// TruncateFindings truncates the report's findings like [CheckedOrder.Truncate].
func (r *Report) TruncateFindings() {
	// A finding in a report also has a state, two times and perhaps an override.
	const more = MaxFindings*160 + maxOverridesSize
	r.SetFindings(truncateFindings(r.Findings, r.Omitted, MaxFindings, maxFindingsSize+more,
		errorsFirst))
}

// SetFindings sets the listed findings and the entries that count the others.
func (r *Report) SetFindings(listed, omitted []Finding) {
	r.Findings, r.Omitted, r.FindingsOmitted = listed, omitted, 0
	for i := range omitted {
		r.FindingsOmitted += omitted[i].Findings()
	}
}

// OmittedFrom adds findings to the entries that count unlisted findings. Findings of one rule in
// one state, under one override, share an entry.
func OmittedFrom(omitted, findings []Finding) []Finding {
	for i := range findings {
		omitted = omit(omitted, &findings[i])
	}
	return omitted
}

// omit counts a finding in its entry, and adds the entry if there is none.
func omit(omitted []Finding, f *Finding) []Finding {
	same := func(ruleID string) int {
		return slices.IndexFunc(omitted, func(g Finding) bool {
			return g.RuleID == ruleID && g.Severity == f.Severity && g.State == f.State &&
				g.Override.equal(f.Override)
		})
	}
	ruleID := f.RuleID
	i := same(ruleID)
	if i < 0 && len(omitted) >= maxGroups {
		ruleID = OtherRules
		i = same(ruleID)
	}
	if i < 0 {
		i = len(omitted)
		omitted = append(omitted, Finding{
			ID: ruleID + "/*", RuleID: ruleID, Severity: f.Severity, Scope: f.Scope,
			State: f.State, FirstSeen: f.FirstSeen, ConfirmAt: f.ConfirmAt,
			Override: f.Override, Notified: f.Notified,
		})
	}
	g := &omitted[i]
	if f.FirstSeen.Before(g.FirstSeen) {
		g.FirstSeen, g.ConfirmAt = f.FirstSeen, f.ConfirmAt
	}
	g.Count += f.Findings()
	g.Notified = g.Notified && f.Notified
	g.FactsDigest = addDigest(g.FactsDigest, f)
	g.Message = Plural(g.Count, "more finding") + " of this rule, not listed"
	if ruleID == OtherRules {
		g.Message = Plural(g.Count, "more finding") + " of other rules, not listed"
	}
	return omitted
}

// truncateFindings returns at most most of the findings found, whose JSON has at most size bytes.
// It keeps the first ones by compare, and counts the others in unlisted, together with omitted.
func truncateFindings(
	found, omitted []Finding, most, size int, compare func(a, b Finding) int,
) (listed, unlisted []Finding) {
	omitted = slices.Clone(omitted)
	if len(found) > most {
		found = slices.SortedStableFunc(slices.Values(found), compare)
		omitted = OmittedFrom(omitted, found[most:])
		found = found[:most]
	}
	fitting := fit(slices.Clone(found), size, (*Finding).Cut)
	if len(fitting) == len(found) {
		return fitting, omitted
	}
	// Even short texts are too large together.
	found = slices.SortedStableFunc(slices.Values(found), compare)
	fitting = fit(slices.Clone(found), size, (*Finding).Cut)
	return fitting, OmittedFrom(omitted, found[len(fitting):])
}

func errorsFirst(a, b Finding) int {
	return strings.Compare(string(a.Severity), string(b.Severity)) // "error" before "warning"
}

// Cut shortens each text to limit characters. The facts stay the same.
func (f *Finding) Cut(limit int) {
	whole := *f
	f.Message, f.Fix = Cut(f.Message, limit), Cut(f.Fix, limit)
	f.Expected, f.Actual = Cut(f.Expected, limit), Cut(f.Actual, limit)
	if f.Message != whole.Message || f.Fix != whole.Fix || f.Expected != whole.Expected ||
		f.Actual != whole.Actual {
		f.FactsDigest = whole.Facts()
	}
}

// Facts returns a hash of what the finding says about the order, from its texts before they were
// cut. It doesn't depend on the line's position. An override ends if the facts change.
func (f *Finding) Facts() string {
	if f.FactsDigest != "" {
		return f.FactsDigest
	}
	facts := f.Expected + "\x00" + f.Actual
	if f.Expected == "" && f.Actual == "" {
		line := strconv.Itoa(f.LineNumber)
		position := strings.NewReplacer("line "+line, "line", "Line "+line, "Line")
		facts = position.Replace(f.Message) + "\x00" + position.Replace(f.Fix)
	}
	sum := sha256.Sum256([]byte(facts))
	return hex.EncodeToString(sum[:16])
}

// addDigest adds a finding to the digest of several findings. The order of additions doesn't
// matter.
func addDigest(digest string, f *Finding) string {
	sum := sha256.Sum256([]byte(f.ID + "\x00" + f.Facts()))
	added := sum[:16]
	if f.Count > 0 { // f is an entry, so its facts are such a digest already
		added, _ = hex.DecodeString(f.FactsDigest)
	}
	before, err := hex.DecodeString(digest)
	if err != nil || len(before) != len(added) {
		return hex.EncodeToString(added)
	}
	for i := range added {
		added[i] ^= before[i]
	}
	return hex.EncodeToString(added)
}

func truncateSkipped(list []Skipped, most, size int) []Skipped {
	all := list
	list = fit(slices.Clone(list[:min(len(list), most)]), size,
		func(s *Skipped, limit int) { s.Reason = Cut(s.Reason, limit) })
	if dropped := all[len(list):]; len(dropped) > 0 {
		others := Skipped{
			RuleID: OtherRules,
			Reason: "not listed: " + Plural(len(dropped), "more rule"),
		}
		for i := range dropped {
			others.Missing = append(others.Missing, dropped[i].Missing...)
		}
		slices.Sort(others.Missing)
		others.Missing = slices.Compact(others.Missing)
		list = append(list, others)
	}
	return list
}

func truncateRuleErrors(list []RuleError, most, size int) []RuleError {
	all := len(list)
	list = fit(slices.Clone(list[:min(len(list), most)]), size,
		func(e *RuleError, limit int) { e.Error = Cut(e.Error, limit) })
	if dropped := all - len(list); dropped > 0 {
		list = append(list, RuleError{
			RuleID: OtherRules,
			Error:  "not evaluated: " + Plural(dropped, "more rule"),
		})
	}
	return list
}

// fit cuts the texts of a list until its JSON has at most size bytes. If that is not enough, it
// drops entries from the end.
func fit[T any](list []T, size int, cut func(entry *T, limit int)) []T {
	sizes := make([]int, len(list))
	for _, limit := range textLimits {
		total := 0
		for i := range list {
			cut(&list[i], limit)
			sizes[i] = jsonSize(&list[i]) + len(",")
			total += sizes[i]
		}
		if total <= size {
			return list
		}
	}
	total := 0
	for i := range list {
		if total += sizes[i]; total > size {
			return list[:i:i]
		}
	}
	return list
}

// jsonSize returns the size of a value's JSON, in bytes. It panics if the value doesn't marshal.
func jsonSize(value any) int {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("ordercheck: %T does not marshal: %v", value, err))
	}
	return len(data)
}
