package pages

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"error-check-gate/internal/ordercheck"
)

// ago describes the time from now to t, such as "3 days ago" or "in 5 min".
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
		text = ordercheck.Plural(int(d.Hours()/24), "day")
	default:
		return "on " + t.In(location).Format("2 Jan 2006")
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}

// endOf describes the end of an override. Most overrides end with a day.
func endOf(t time.Time, location *time.Location) string {
	t = t.In(location)
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return "the end of " + t.AddDate(0, 0, -1).Format("2 Jan 2006")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// durationText writes a duration as people do: 30 min, 12 h, 3 days.
func durationText(d time.Duration) string {
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

// amount matches a decimal number of 1000 or more with two decimal places.
var amount = regexp.MustCompile(`(^|[^\w.,:-])(-?)([0-9]{4,})(\.[0-9]{2})\b`)

// groupAmounts adds commas to the amounts in a text: 12500.00 becomes 12,500.00.
func groupAmounts(text string) string {
	return amount.ReplaceAllStringFunc(text, func(match string) string {
		parts := amount.FindStringSubmatch(match)
		return parts[1] + parts[2] + groupDigits(parts[3]) + parts[4]
	})
}

func groupDigits(digits string) string {
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// count writes a number of things, with commas: "1,200 errors".
func count(n int, singular string) string {
	text := ordercheck.Plural(n, singular)
	if n >= 1000 {
		text = groupDigits(strconv.Itoa(n)) + strings.TrimLeft(text, "0123456789")
	}
	return text
}

// isolate removes the characters that change the direction of text. It is for titles and options,
// which cannot contain <bdi>.
func isolate(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
}

// statusText returns the short text for a status.
func statusText(status ordercheck.Status) string {
	switch status {
	case ordercheck.StatusChecking:
		return "Being checked"
	case ordercheck.StatusPassed:
		return "Correct"
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

// summary describes a status in a sentence.
func summary(status ordercheck.Status) string {
	switch status {
	case ordercheck.StatusChecking:
		return "The order has not been checked yet."
	case ordercheck.StatusPassed:
		return "The last check found nothing wrong."
	case ordercheck.StatusWarning:
		return "The order has warnings but no errors. It is not held."
	case ordercheck.StatusPending:
		return "The order has errors. There is still time to fix them before it is held."
	case ordercheck.StatusFailed:
		return "The order is held. Fix it in InFlow and save it. Then it is checked again automatically."
	case ordercheck.StatusOverridden:
		return "The order has errors, and somebody has taken responsibility for all of them."
	case ordercheck.StatusIncomplete:
		return "Some rules could not be checked, so nobody knows if the order is correct."
	case ordercheck.StatusUnchecked:
		return "The last check failed, so nobody knows if the order is correct."
	}
	return ""
}

// plainFaults translates faults that runs report in the words of the API. A fault matches by its
// start.
var plainFaults = []struct{ start, plain string }{
	{`"reason" is missing`, "Write a reason."},
	{`"text" is missing`, "Write a comment."},
	{`"until" is in the past`, "The end is in the past. Choose a later day."},
	{`the order has no finding`,
		"You chose an error that is not there any more. Look at the list again."},
	{`the order has no error`,
		"The order has no errors any more that you can take responsibility for."},
}

// plainFault translates a fault of a run into the words of the page.
func plainFault(fault string) string {
	for _, f := range plainFaults {
		if strings.HasPrefix(fault, f.start) {
			return f.plain
		}
	}
	for _, field := range []string{"reason", "text", "until", "by"} {
		fault = strings.Replace(fault, `"`+field+`"`, "The "+field, 1)
	}
	return fault
}
