package config

import (
	"errors"
	"os"
	"strings"
	"time"

	"error-check-gate/internal/option"
)

// timeZone is the value of TZ. The zero value is the machine's time zone.
type timeZone struct {
	name     string
	location *time.Location
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (z *timeZone) UnmarshalText(text []byte) error {
	name := strings.TrimPrefix(string(text), ":") // POSIX allows a colon in front
	location, err := time.LoadLocation(name)
	if err != nil {
		return errors.New(option.Quote(string(text)) +
			" is not a time zone: write one such as Europe/Berlin, or UTC")
	}
	*z = timeZone{name: name, location: location}
	return nil
}

// Location returns the time zone.
func (z *timeZone) Location() *time.Location {
	if z.location == nil {
		return time.Local
	}
	return z.location
}

// LocalTimeZone returns the name of this process's time zone, or an empty string if the machine
// does not name it.
func LocalTimeZone() string {
	name, err := new(timeZone).Name()
	if err != nil {
		return ""
	}
	return name
}

// localtime is a link to the file of the machine's time zone. Tests change it.
var localtime = "/etc/localtime"

// Name returns the time zone's name, which Temporal's schedules need. It returns an error if
// neither TZ nor the machine names a time zone.
func (z *timeZone) Name() (string, error) {
	if z.name != "" {
		return z.name, nil
	}
	if name := time.Local.String(); name != "Local" {
		return name, nil // "UTC" if the machine has no time zone
	}
	target, err := os.Readlink(localtime)
	if _, name, ok := strings.Cut(target, "zoneinfo/"); err == nil && ok {
		return name, nil
	}
	return "", errors.New("is not set, and DIGEST_AT is: write the time zone of DIGEST_AT, " +
		"such as Europe/Berlin or UTC, because this machine does not tell its own")
}
