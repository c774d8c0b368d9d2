package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Digest is when the list of all held orders is mailed to MAIL_TO.
type Digest struct {
	// DigestAt is the time of day, such as 08:00; empty is never.
	DigestAt string `env:"DIGEST_AT" hint:"a time of day such as 08:00"`
	// DigestDays are days of the week and ranges of them, separated by commas.
	DigestDays string `env:"DIGEST_DAYS" envDefault:"Mon-Fri" hint:"days such as Mon-Fri, or Mon,Wed,Fri"`
}

// Time returns the time of day. on is false if no digest is sent.
func (c *Digest) Time() (hour, minute int, on bool, err error) {
	if c.DigestAt == "" {
		return 0, 0, false, nil
	}
	at, err := time.Parse("15:04", strings.TrimSpace(c.DigestAt))
	if err != nil {
		return 0, 0, false, errors.New("is not a time of day: write hours and minutes, such as 08:00")
	}
	return at.Hour(), at.Minute(), true, nil
}

// Weekdays returns the days, each once, Sunday first.
func (c *Digest) Weekdays() ([]time.Weekday, error) {
	var days []time.Weekday
	for part := range strings.SplitSeq(c.DigestDays, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := parseWeekday(first)
		if err != nil {
			return nil, err
		}
		to := from
		if isRange {
			if to, err = parseWeekday(last); err != nil {
				return nil, err
			}
		}
		for day := from; ; day = (day + 1) % 7 { // Sat-Mon goes over the end of the week
			days = append(days, day)
			if day == to {
				break
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}

func parseWeekday(text string) (time.Weekday, error) {
	text = strings.TrimSpace(text)
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(text, day.String()) || strings.EqualFold(text, day.String()[:3]) {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%s is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun, as in Mon-Fri or Mon,Wed", quoteShort(text))
}

func (c *Digest) validate(f *Faults, notices *Notify) {
	if _, err := c.Weekdays(); err != nil {
		f.add("DIGEST_DAYS", "%v", err)
	}
	_, _, on, err := c.Time()
	if err != nil {
		f.add("DIGEST_AT", "%s %v", quoteShort(c.DigestAt), err)
	}
	if !on {
		return
	}
	if notices.MailTo == "" && !f.has("MAIL_TO") {
		f.add("MAIL_TO", "is not set, and DIGEST_AT is: write who gets the mail with all held orders")
	}
	if _, err := notices.ZoneName(); err != nil {
		f.add("TZ", "%v", err)
	}
}

// localtime is where most machines keep their time zone. Tests change it.
var localtime = "/etc/localtime"

// ZoneName returns the name of the time zone of [Notify.Location], for Temporal's schedules.
func (c *Notify) ZoneName() (string, error) {
	if c.TimeZone != "" {
		return strings.TrimPrefix(c.TimeZone, ":"), nil
	}
	if name := time.Local.String(); name != "Local" {
		return name, nil // "UTC" if the machine has no zone
	}
	target, err := os.Readlink(localtime)
	if _, name, ok := strings.Cut(target, "zoneinfo/"); err == nil && ok {
		return name, nil
	}
	return "", errors.New("is not set, and DIGEST_AT is: write its time zone, such as Europe/Berlin or UTC; the machine does not tell its own")
}
