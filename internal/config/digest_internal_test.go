package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mailing is a process that mails digests.
type mailing struct {
	Digest
	Notify
}

func (m *mailing) validate(f *Faults) { m.Digest.validate(f, &m.Notify) }

func loadMailing(variables ...string) (mailing, error) { return load[mailing](Environ(variables)) }

func TestDigestIsOffUnlessATimeIsSet(t *testing.T) {
	got, err := loadMailing()
	require.NoError(t, err)
	_, _, on, err := got.Time()
	require.NoError(t, err)
	assert.False(t, on)
}

func TestDaysOfTheDigest(t *testing.T) {
	const mon, tue, wed, thu, fri = time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday
	for text, want := range map[string][]time.Weekday{
		"":                     {mon, tue, wed, thu, fri},
		"Mon-Fri":              {mon, tue, wed, thu, fri},
		"Mon,Wed":              {mon, wed},
		"wed, MON , wednesday": {mon, wed},
		"Sat-Mon":              {time.Sunday, mon, time.Saturday},
		"Sun-Sat,Mon":          {time.Sunday, mon, tue, wed, thu, fri, time.Saturday},
		"Fri-Fri":              {fri},
	} {
		got, err := loadMailing("DIGEST_AT=07:05", "DIGEST_DAYS="+text, "MAIL_TO=jane@example.com", "TZ=Europe/Berlin")
		require.NoError(t, err, text)
		days, err := got.Weekdays()
		require.NoError(t, err)
		assert.Equal(t, want, days, text)
		hour, minute, on, err := got.Time()
		require.NoError(t, err)
		assert.True(t, on)
		assert.Equal(t, []int{7, 5}, []int{hour, minute})
	}
}

func TestFaultsOfTheDigest(t *testing.T) {
	for _, test := range []struct {
		variables []string
		want      string
	}{
		{[]string{"DIGEST_AT=8 o'clock", "MAIL_TO=jane@example.com"}, "DIGEST_AT: \"8 o'clock\" is not a time of day"},
		{[]string{"DIGEST_AT=24:00", "MAIL_TO=jane@example.com"}, "DIGEST_AT: \"24:00\" is not a time of day"},
		{[]string{"DIGEST_AT=08:00"}, "MAIL_TO: is not set, and DIGEST_AT is"},
		{[]string{"DIGEST_DAYS=Mon-"}, `DIGEST_DAYS: "" is not a day: write Mon, Tue`},
		{[]string{"DIGEST_DAYS=Mo-Fr"}, `DIGEST_DAYS: "Mo" is not a day`},
	} {
		_, err := loadMailing(append(test.variables, "TZ=UTC")...)
		require.ErrorContains(t, err, test.want)
	}
}

// Not parallel: it changes the machine's zone.
func TestZoneOfTheDigestIsTheMachines(t *testing.T) {
	local, file := time.Local, localtime
	t.Cleanup(func() { time.Local, localtime = local, file })
	zone := func(variables ...string) (string, error) {
		got, err := loadMailing(append(variables, "DIGEST_AT=08:00", "MAIL_TO=jane@example.com")...)
		if err != nil {
			return "", err
		}
		return got.ZoneName()
	}
	name, err := zone("TZ=:America/New_York")
	require.NoError(t, err)
	assert.Equal(t, "America/New_York", name)

	time.Local = time.UTC
	name, err = zone()
	require.NoError(t, err)
	assert.Equal(t, "UTC", name)

	time.Local = time.FixedZone("Local", 3600)
	localtime = filepath.Join(t.TempDir(), "localtime")
	_, err = zone()
	require.ErrorContains(t, err, "TZ: is not set, and DIGEST_AT is")
	require.NoError(t, os.Symlink("/usr/share/zoneinfo/Europe/Berlin", localtime))
	name, err = zone()
	require.NoError(t, err)
	assert.Equal(t, "Europe/Berlin", name)
}
