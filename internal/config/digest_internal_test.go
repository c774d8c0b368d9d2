package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/worker"
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
	assert.Zero(t, got.schedule(&got.Zone))
}

func TestDigestSchedule(t *testing.T) {
	got, err := loadMailing("DIGEST_AT=07:05", "DIGEST_DAYS=Mon,Sat-Sun",
		"MAIL_TO=jane@example.com", "TZ=Europe/Berlin")
	require.NoError(t, err)
	assert.Equal(t, worker.Digest{
		Hour: 7, Minute: 5, TimeZone: "Europe/Berlin",
		Days: []time.Weekday{time.Sunday, time.Monday, time.Saturday},
	}, got.schedule(&got.Zone))
}

func TestFaultsOfTheDigest(t *testing.T) {
	for _, test := range []struct {
		variables []string
		want      string
	}{
		{
			[]string{"DIGEST_AT=8 o'clock", "MAIL_TO=jane@example.com"},
			"DIGEST_AT: \"8 o'clock\" is not valid: write a time of day such as 08:00",
		},
		{[]string{"DIGEST_AT=08:00"}, "MAIL_TO: is not set, and DIGEST_AT is"},
		{[]string{"DIGEST_DAYS=Mon-"}, `DIGEST_DAYS: "Mon-" is not valid: write days such as Mon-Fri`},
	} {
		_, err := loadMailing(append(test.variables, "TZ=UTC")...)
		require.ErrorContains(t, err, test.want)
	}
}

// TestDigestUsesTheMachinesTimeZone is not parallel, because it changes the time zone of the
// process.
func TestDigestUsesTheMachinesTimeZone(t *testing.T) {
	local, file := time.Local, localtime
	t.Cleanup(func() { time.Local, localtime = local, file })
	zone := func(variables ...string) (string, error) {
		got, err := loadMailing(append(variables, "DIGEST_AT=08:00", "MAIL_TO=jane@example.com")...)
		if err != nil {
			return "", err
		}
		return got.TimeZone.Name()
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
