package ordercheck

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of an override. A report repeats its text for each finding that it covers.
const (
	// MaxOverrideBy and MaxOverrideReason are in characters.
	MaxOverrideBy     = 200
	MaxOverrideReason = 2000
	// maxOverridesSize limits all overrides of a report together, in bytes of JSON.
	maxOverridesSize = 192 << 10
)

// OverrideRequest is the argument of [UpdateOverride].
type OverrideRequest struct {
	// Findings holds ids, or only the word "all".
	Findings []string `json:"findings"`
	By       string   `json:"by"`
	Reason   string   `json:"reason"`
	// Until is when the override ends. For may be set instead: a duration, such as "72h", that
	// begins when the request is accepted, by Temporal's clock.
	Until time.Time `json:"until,omitzero"`
	For   string    `json:"for,omitempty"`
}

// AllFindings in place of ids means every error that can be overridden, including unlisted ones.
const AllFindings = "all"

// Faults returns everything that is wrong with the request itself, whatever the order. The override
// must end after now.
func (r *OverrideRequest) Faults(now time.Time) []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if blank(r.By) {
		add(`"by" is missing: say who takes responsibility`)
	} else if n := utf8.RuneCountInString(r.By); n > MaxOverrideBy {
		add(`"by" has %d characters; give a name of at most %d`, n, MaxOverrideBy)
	}
	if blank(r.Reason) {
		add(`"reason" is missing: say why`)
	} else if n := utf8.RuneCountInString(r.Reason); n > MaxOverrideReason {
		add(`"reason" has %d characters; give at most %d`, n, MaxOverrideReason)
	}
	if err := r.endFault(now); err != nil {
		faults = append(faults, err)
	}
	switch {
	case len(r.Findings) == 0:
		add(`"findings" is missing: give ids of findings, or ["all"]`)
	case len(r.Findings) > MaxFindings:
		add(`"findings" has %d ids, more than a report lists; give at most %d, or ["all"]`,
			len(r.Findings), MaxFindings)
	}
	return faults
}

// blank reports whether a text has no visible characters.
func blank(text string) bool {
	return !strings.ContainsFunc(text,
		func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}

// endFault returns the fault with Until and For, or nil.
func (r *OverrideRequest) endFault(now time.Time) error {
	if r.For == "" {
		switch {
		case r.Until.IsZero():
			return errors.New(`"until" is missing: say when the override ends, ` +
				`as in 2026-12-31T00:00:00Z, or give "for" a duration, such as 72h`)
		case !now.Before(r.Until):
			return errors.New(`"until" is in the past`)
		}
		return nil
	}
	if !r.Until.IsZero() {
		return errors.New(`"until" and "for" are both given: give one of them`)
	}
	d, err := time.ParseDuration(r.For)
	switch {
	case err != nil:
		return fmt.Errorf(
			`"for" is %q, which is no duration: give hours and minutes, such as 72h or 1h30m`,
			Cut(r.For, maxShownDuration))
	case d < time.Second:
		return fmt.Errorf(`"for" is %q: give one second or more`, Cut(r.For, maxShownDuration))
	}
	return nil
}

// maxShownDuration limits the part of a duration that an error repeats, in characters.
const maxShownDuration = 40

// Override returns the override that is put on each finding if the request is accepted at now. The
// request must have no [OverrideRequest.Faults].
func (r *OverrideRequest) Override(now time.Time) *Override {
	until := r.Until
	if d, err := time.ParseDuration(r.For); err == nil {
		until = now.Add(d).Truncate(time.Second)
	}
	return &Override{By: r.By, Reason: r.Reason, Until: until}
}

// FitsReport returns an error if the report would be too large with this override on the given
// number of findings. others are the overrides that stay.
func (o *Override) FitsReport(findings int, others []*Override) error {
	remaining := maxOverridesSize
	for _, other := range others {
		remaining -= jsonSize(other)
	}
	if findings == 0 || findings*jsonSize(o) <= remaining {
		return nil
	}
	most := remaining/findings - jsonSize(&Override{Until: o.Until})
	if most < 1 {
		return errors.New("the overrides of this order have too much text together: give fewer findings")
	}
	return fmt.Errorf(
		`"by" and "reason" are too long for %d findings: give at most %d letters together`, findings,
		most)
}
