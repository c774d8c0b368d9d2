package desk

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// ago says how far t is from now, in the words that people use.
func ago(now, t time.Time, location *time.Location) string {
	d := now.Sub(t)
	past, d := d >= 0, d.Abs()
	var text string
	switch {
	case d < time.Minute && past:
		return "just now"
	case d < time.Minute:
		return "within a minute"
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		text = fmt.Sprintf("%d h", int(d.Hours()))
	case d < 14*24*time.Hour:
		days := int(d.Hours() / 24)
		if text = fmt.Sprintf("%d days", days); days == 1 {
			text = "1 day"
		}
	default:
		return "on " + t.In(location).Format("2 Jan 2006")
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}

// amount is a decimal of a thousand or more, with two digits after the point.
var amount = regexp.MustCompile(`(^|[^\w.,:-])(-?)([0-9]{4,})(\.[0-9]{2})\b`)

// readableMoney groups the thousands of the amounts in a text: 12500.00 becomes 12,500.00.
func readableMoney(text string) string {
	return amount.ReplaceAllStringFunc(text, func(match string) string {
		parts := amount.FindStringSubmatch(match)
		digits := parts[3]
		var b strings.Builder
		for i, digit := range digits {
			if i > 0 && (len(digits)-i)%3 == 0 {
				b.WriteByte(',')
			}
			b.WriteRune(digit)
		}
		return parts[1] + parts[2] + b.String() + parts[4]
	})
}

// statusText says what a status means to people who have not read the documentation.
func statusText(status ordercheck.Status) string {
	switch status {
	case ordercheck.StatusChecking:
		return "Being checked"
	case ordercheck.StatusPassed:
		return "Right"
	case ordercheck.StatusWarning:
		return "Warnings only"
	case ordercheck.StatusPending:
		return "Wrong, not yet held"
	case ordercheck.StatusFailed:
		return "Held"
	case ordercheck.StatusOverridden:
		return "Overridden"
	case ordercheck.StatusIncomplete:
		return "Partly checked"
	case ordercheck.StatusUnchecked:
		return "Not checked"
	}
	return string(status)
}

// summary says in a sentence how an order stands.
func summary(status ordercheck.Status) string {
	switch status {
	case ordercheck.StatusChecking:
		return "The order has not been checked yet."
	case ordercheck.StatusPassed:
		return "The latest check found nothing wrong."
	case ordercheck.StatusWarning:
		return "The order has warnings and no errors. Nothing holds it."
	case ordercheck.StatusPending:
		return "The order has errors. There is still time to fix them before it is held."
	case ordercheck.StatusFailed:
		return "The order is held. Fix it in InFlow and save it, and it is checked again by itself."
	case ordercheck.StatusOverridden:
		return "The order has errors, and somebody has taken responsibility for all of them."
	case ordercheck.StatusIncomplete:
		return "Some rules could not be evaluated, so nobody knows whether the order is right."
	case ordercheck.StatusUnchecked:
		return "The latest check could not be done, so nobody knows whether the order is right."
	}
	return ""
}

// readableDuration writes a duration as people do: 30 min, 12 h, 3 days.
func readableDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "none"
	case d%(24*time.Hour) == 0:
		return ordercheck.Plural(int(d/(24*time.Hour)), "day")
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return d.String()
}
