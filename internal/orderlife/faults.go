package orderlife

import (
	"time"

	"error-check-gate/internal/option"
)

// minRemindEvery is the shortest time between reminders. People cannot follow a faster pace.
const minRemindEvery = time.Minute

// Faults returns everything that is wrong with settings for new runs.
func (s *Settings) Faults() option.Faults {
	var faults option.Faults
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"SettleQuiet", s.SettleQuiet}, {"SettleMax", s.SettleMax},
		{"GracePeriod", s.GracePeriod}, {"RemindEvery", s.RemindEvery},
	} {
		if d.value < 0 {
			faults.Add(d.field, "%v is negative: write 0 or more", d.value)
		}
	}
	if s.SettleQuiet > s.SettleMax {
		faults.Add("SettleQuiet", "%v is longer than {SettleMax}, %v: write a shorter time",
			s.SettleQuiet, s.SettleMax)
	}
	if s.RemindEvery > 0 && s.RemindEvery < minRemindEvery {
		faults.Add("RemindEvery", "%v is too short for people: write %v or more, or 0 for no reminders",
			s.RemindEvery, minRemindEvery)
	}
	if s.HoldMax <= 0 {
		faults.Add("HoldMax", "%v is too short: write how long an order is held, such as 720h",
			s.HoldMax)
	}
	return faults
}
