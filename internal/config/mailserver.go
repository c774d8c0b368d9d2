package config

import (
	"strings"
	"time"

	"error-check-gate/internal/notify"
)

// MailServer is the server that takes the gate's mail, and whom it is from.
type MailServer struct {
	// SMTPAddr is the mail server's host:port; empty sends no mail.
	SMTPAddr     string `env:"SMTP_ADDR" hint:"the mail server's host:port, such as smtp.example.com:587"`
	SMTPUsername string `env:"SMTP_USERNAME" hint:"the user to log in to the mail server as"`
	SMTPPassword Secret `env:"SMTP_PASSWORD" hint:"that user's password"`
	// SMTPTLS is a [notify.TLSMode].
	SMTPTLS string `env:"SMTP_TLS" envDefault:"starttls" hint:"none, starttls or tls"`
	// MailFrom is an address, with or without a name.
	MailFrom string `env:"MAIL_FROM" hint:"an e-mail address such as gate@example.com"`
}

// smtpVariables are the settings of the fields of [notify.SMTP].
var smtpVariables = map[string]string{
	"Addr": "SMTP_ADDR", "Username": "SMTP_USERNAME", "Password": "SMTP_PASSWORD", "TLS": "SMTP_TLS", "From": "MAIL_FROM",
}

func (c *MailServer) smtp(f *Faults) notify.SMTP {
	s := notify.SMTP{Addr: c.SMTPAddr, Username: c.SMTPUsername, Password: c.SMTPPassword, TLS: notify.TLSMode(c.SMTPTLS)}
	if c.MailFrom != "" {
		from, err := notify.ParseAddress(c.MailFrom)
		if err != nil {
			f.add("MAIL_FROM", "%v", err)
		}
		s.From = from
	}
	for _, fault := range s.Faults() {
		if variable := smtpVariables[fault.Field]; !f.has(variable) {
			f.add(variable, "%s", fault.Problem)
		}
	}
	return s
}

// Zone is the time zone of what people read and write.
type Zone struct {
	// TimeZone is its name; empty is the machine's.
	TimeZone string `env:"TZ" hint:"a time zone such as Europe/Berlin, or UTC"`
}

// Location returns the time zone.
func (c *Zone) Location() (*time.Location, error) {
	if c.TimeZone == "" {
		return time.Local, nil
	}
	// POSIX allows a colon in front.
	return time.LoadLocation(strings.TrimPrefix(c.TimeZone, ":"))
}

func (c *Zone) location(f *Faults) *time.Location {
	location, err := c.Location()
	if err != nil {
		f.add("TZ", "%s is not a time zone: write one such as Europe/Berlin, or UTC", quoteShort(c.TimeZone))
	}
	return location
}
