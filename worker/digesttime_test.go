package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/worker"
)

func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	const padded = " 23:59 "
	for text, want := range map[string]worker.TimeOfDay{
		"07:05": {Hour: 7, Minute: 5}, padded: {Hour: 23, Minute: 59}, "00:00": {},
	} {
		var got worker.TimeOfDay
		require.NoError(t, got.UnmarshalText([]byte(text)))
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"24:00", "8 o'clock", ""} {
		var got worker.TimeOfDay
		require.ErrorContains(t, got.UnmarshalText([]byte(text)), "is not a time of day", text)
	}
}

func TestWeekdays(t *testing.T) {
	t.Parallel()
	const mon, tue, wed, thu, fri = time.Monday, time.Tuesday, time.Wednesday, time.Thursday,
		time.Friday
	for text, want := range map[string]worker.Weekdays{
		"Mon-Fri":              {mon, tue, wed, thu, fri},
		"Mon,Wed":              {mon, wed},
		"wed, MON , wednesday": {mon, wed},
		"Sat-Mon":              {time.Sunday, mon, time.Saturday},
		"Sun-Sat,Mon":          {time.Sunday, mon, tue, wed, thu, fri, time.Saturday},
		"Fri-Fri":              {fri},
	} {
		var got worker.Weekdays
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, got, text)
	}
	for text, fault := range map[string]string{
		"Mon-": `"" is not a day: write Mon, Tue`, "Mo-Fr": `"Mo" is not a day`, "": `"" is not a day`,
	} {
		var got worker.Weekdays
		require.ErrorContains(t, got.UnmarshalText([]byte(text)), fault, text)
	}
}
