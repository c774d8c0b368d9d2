package pages

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Sentences that runs write into timelines. The pages translate them, because they contain names
// that only operators know. They show a sentence unchanged if it matches none of these.
var (
	checkedSentence   = regexp.MustCompile(`^Checked: ([a-z]+), (\d+) errors?, (\d+) warnings?\.$`)
	confirmedSentence = regexp.MustCompile(`^Confirmed: (\d+) errors? \((.*)\)\.$`)
	notifiedSentence  = regexp.MustCompile(`^(Told|Reminded) (.+): ([a-z]+)\.$`)
	gatheredSentence  = regexp.MustCompile(
		`^(?:(.+\.) )?(\S+(?:, \S+)*(?: and \d+ more)?) will be told in the next collective message: ` +
			`([a-z]+)\.$`)
	notNotifiedSentence = regexp.MustCompile(
		`^Not told: (\S+) \(([a-z]+) notice\), given up after a day\.$`)
	announcedSentence = regexp.MustCompile(`^Announced by (?:(\d+) )?webhooks?\.$`)
	sweepSentence     = regexp.MustCompile(
		`^The sweep found version \S+, which no webhook had announced\.$`)
	overrideSentence = regexp.MustCompile(`(?s)^(.+?) overrides (\d+) errors? ` +
		`until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC: (.*)$`)
	moreReceivers = regexp.MustCompile(`^(.*?)(?: and (\d+) more)?$`)
)

// timelineText translates an entry of a timeline for people who do not operate the gate.
func timelineText(e *ordercheck.TimelineEntry, location *time.Location) string {
	switch e.Kind {
	case ordercheck.TimelineChecked:
		if m := checkedSentence.FindStringSubmatch(e.Text); m != nil {
			return checkedText(ordercheck.Status(m[1]), number(m[2]), number(m[3]))
		}
	case ordercheck.TimelineConfirmed:
		if m := confirmedSentence.FindStringSubmatch(e.Text); m != nil {
			return fmt.Sprintf("Held from now on, because of %s: %s.", count(number(m[1]), "error"), m[2])
		}
	case ordercheck.TimelineNotified, ordercheck.TimelineReminded:
		return notifiedText(e.Text)
	case ordercheck.TimelineDelivery:
		if m := announcedSentence.FindStringSubmatch(e.Text); m != nil {
			if m[1] == "" {
				return "InFlow announced a change."
			}
			return "InFlow announced " + m[1] + " changes."
		}
	case ordercheck.TimelineSweep:
		if sweepSentence.MatchString(e.Text) {
			return "The regular comparison with InFlow found a change that InFlow had not announced."
		}
	case ordercheck.TimelineOverridden:
		if m := overrideSentence.FindStringSubmatch(e.Text); m != nil && m[1] == e.By {
			until, err := time.Parse(time.DateTime, m[3])
			if err == nil {
				return fmt.Sprintf("Took responsibility for %s until %s: %s",
					count(number(m[2]), "error"), endOf(until, location), m[4])
			}
		}
	case ordercheck.TimelineOverrideEnded:
		if rest, ok := strings.CutPrefix(e.Text, "The override by "+e.By+" "); ok && e.By != "" {
			return "This responsibility " + rest
		}
	}
	return e.Text
}

// notifiedText translates what a run writes about a notice.
func notifiedText(text string) string {
	if m := gatheredSentence.FindStringSubmatch(text); m != nil {
		if what := noticeText(ordercheck.NoticeKind(m[3])); what != "" {
			gathered := fmt.Sprintf("The next collective message tells %s: %s.", receiversText(m[2]), what)
			return strings.TrimSpace(notifiedText(m[1]) + " " + gathered)
		}
	}
	if m := notifiedSentence.FindStringSubmatch(text); m != nil {
		if what := noticeText(ordercheck.NoticeKind(m[3])); what != "" {
			return fmt.Sprintf("%s %s: %s.", m[1], receiversText(m[2]), what)
		}
	}
	if m := notNotifiedSentence.FindStringSubmatch(text); m != nil {
		if what := noticeText(ordercheck.NoticeKind(m[2])); what != "" {
			return fmt.Sprintf("Could not tell %s: %s. The gate gave up after a day.",
				receiversText(m[1]), what)
		}
	}
	return text
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits) // fails only for absurdly many digits
	return n
}

func checkedText(status ordercheck.Status, errors, warnings int) string {
	var found []string
	if errors > 0 {
		found = append(found, count(errors, "error"))
	}
	if warnings > 0 {
		found = append(found, count(warnings, "warning"))
	}
	text := "Checked: " + strings.Join(found, ", ") + "."
	if len(found) == 0 {
		text = "Checked: nothing is wrong."
		if status == ordercheck.StatusIncomplete {
			text = "Checked."
		}
	}
	if status == ordercheck.StatusIncomplete {
		text += " Some rules could not be checked."
	}
	return text
}

func noticeText(kind ordercheck.NoticeKind) string {
	switch kind {
	case ordercheck.NoticeFailed, ordercheck.NoticeReminder:
		return "the order is held"
	case ordercheck.NoticeResolved:
		return "the order is correct again"
	case ordercheck.NoticeOverridden:
		return "somebody has taken responsibility"
	case ordercheck.NoticeEnded:
		return "the order is not held any more"
	case ordercheck.NoticeUnchecked:
		return "the order could not be checked"
	case ordercheck.NoticeWarning:
		return "the order has warnings"
	}
	return ""
}

// receiversText counts receivers by kind. Their names, such as mail:c712a5, are for operators.
func receiversText(names string) string {
	m := moreReceivers.FindStringSubmatch(names)
	mails, chats := 0, 0
	var texts []string
	for name := range strings.SplitSeq(m[1], ", ") {
		switch {
		case name == ordercheck.TargetSalesRep:
			texts = append(texts, "the sales rep")
		case strings.HasPrefix(name, "mail:"), strings.HasPrefix(name, "redirect:"):
			mails++
		default:
			chats++
		}
	}
	if mails > 0 {
		text := fmt.Sprintf("%d email addresses", mails)
		if mails == 1 {
			text = "1 email address"
		}
		texts = append(texts, text)
	}
	if chats > 0 {
		texts = append(texts, count(chats, "chat"))
	}
	if m[2] != "" {
		texts = append(texts, m[2]+" more")
	}
	if last := len(texts) - 1; last > 0 {
		texts = append(slices.Clone(texts[:last-1]), texts[last-1]+" and "+texts[last])
	}
	return strings.Join(texts, ", ")
}
