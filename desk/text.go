package desk

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

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
		return parts[1] + parts[2] + grouped(parts[3]) + parts[4]
	})
}

func grouped(digits string) string {
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
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

// isolate removes the characters that change the direction of text, where a page cannot isolate a
// text with <bdi>: in a title and in an option. They would turn what follows around.
func isolate(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
}

// plural counts things, with grouped thousands.
func plural(n int, noun string) string {
	text := ordercheck.Plural(n, noun)
	if n >= 1000 {
		text = grouped(strconv.Itoa(n)) + strings.TrimLeft(text, "0123456789")
	}
	return text
}

// plainFault says what a run refuses in the words of the page. Runs speak of JSON's fields.
func plainFault(fault string) string {
	for begin, plain := range map[string]string{
		`"reason" is missing`:      "Write a reason.",
		`"text" is missing`:        "Write a comment.",
		`"until" is in the past`:   "The end is in the past. Choose a later day.",
		`the order has no finding`: "An error that you chose is not there any more. Look at the list again.",
		`there is no error`:        "No error is there any more. Look at the order again.",
	} {
		if strings.HasPrefix(fault, begin) {
			return plain
		}
	}
	for _, field := range []string{"reason", "text", "until", "by"} {
		fault = strings.Replace(fault, `"`+field+`"`, "The "+field, 1)
	}
	return fault
}

// endOf says when an override ends. Most end with a day.
func endOf(t time.Time, location *time.Location) string {
	t = t.In(location)
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return "the end of " + t.AddDate(0, 0, -1).Format("2 Jan 2006")
	}
	return t.Format("2 Jan 2006, 15:04")
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
