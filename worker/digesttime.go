package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/option"
)

// TimeOfDay is a time such as 08:00.
type TimeOfDay struct{ Hour, Minute int }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *TimeOfDay) UnmarshalText(text []byte) error {
	at, err := time.Parse("15:04", strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s is not a time of day: write hours and minutes, such as 08:00",
			option.Quote(string(text)))
	}
	*t = TimeOfDay{Hour: at.Hour(), Minute: at.Minute()}
	return nil
}

// Weekdays are days of the week, each once, Sunday first.
type Weekdays []time.Weekday

// UnmarshalText implements [encoding.TextUnmarshaler]. It reads days and ranges of days, separated
// by commas, such as Mon-Fri or Mon,Wed.
func (w *Weekdays) UnmarshalText(text []byte) error {
	var days Weekdays
	for part := range strings.SplitSeq(string(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := parseWeekday(first)
		to := from
		if isRange && err == nil {
			to, err = parseWeekday(last)
		}
		if err != nil {
			return err
		}
		for day := from; ; day = (day + 1) % 7 { // Sat-Mon continues over the end of the week
			days = append(days, day)
			if day == to {
				break
			}
		}
	}
	slices.Sort(days)
	*w = slices.Compact(days)
	return nil
}

func parseWeekday(text string) (time.Weekday, error) {
	text = strings.TrimSpace(text)
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(text, day.String()) || strings.EqualFold(text, day.String()[:3]) {
			return day, nil
		}
	}
	return 0, errors.New(option.Quote(text) +
		" is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun, as in Mon-Fri or Mon,Wed")
}
