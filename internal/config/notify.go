package config

import (
	"net/mail"
	"net/url"

	"error-check-gate/internal/notify"
	"error-check-gate/worker"
)

// MailServer is the server that takes the gate's mail, and the mail's sender.
type MailServer struct {
	// SMTPAddr is the mail server's host:port. Empty sends no mail.
	SMTPAddr     string         `env:"SMTP_ADDR" hint:"the mail server's host:port, such as smtp.example.com:587"`
	SMTPUsername string         `env:"SMTP_USERNAME" hint:"the user to log in to the mail server as"`
	SMTPPassword Secret         `env:"SMTP_PASSWORD" hint:"that user's password"`
	SMTPTLS      notify.TLSMode `env:"SMTP_TLS" envDefault:"starttls" hint:"none, starttls or tls"`
	MailFrom     mail.Address   `env:"MAIL_FROM" hint:"an e-mail address such as gate@example.com"`
}

// SMTP returns the options of the mail server.
func (c *MailServer) SMTP() notify.SMTP {
	if c.SMTPAddr == "" {
		return notify.SMTP{}
	}
	return notify.SMTP{
		Addr: c.SMTPAddr, Username: c.SMTPUsername, Password: c.SMTPPassword, TLS: c.SMTPTLS,
		From: c.MailFrom,
	}
}

// Zone is the time zone of the times that people read and write.
type Zone struct {
	// TimeZone is the machine's time zone if the variable is not set.
	TimeZone timeZone `env:"TZ" hint:"a time zone such as Europe/Berlin, or UTC"`
}

// Notify says who gets notices of an order's errors. If nothing is set, nobody does.
type Notify struct {
	MailServer
	MailTo []mail.Address `env:"MAIL_TO" hint:"e-mail addresses separated by commas"`
	// NotifyURLs lists chats and webhooks. The URLs contain tokens.
	NotifyURLs []notify.Destination `env:"NOTIFY_URLS" secret:"true" hint:"URLs of chats and webhooks, separated by commas"`
	// NotifySalesRep sends mail to the order's sales rep too.
	NotifySalesRep bool `env:"NOTIFY_SALES_REP" envDefault:"false" hint:"true or false"`
	// NoticesPerHour is the maximum number of messages that one receiver gets in an hour; 0
	// means no limit.
	NoticesPerHour int `env:"NOTICES_PER_HOUR" envDefault:"30" hint:"a number of messages, or 0 for no limit"`
	// NotifyRedirect gets all mail in place of its receivers. Nothing is posted to NotifyURLs
	// then. It is for trials with real orders.
	NotifyRedirect mail.Address `env:"NOTIFY_REDIRECT" hint:"an e-mail address that gets all mail during a trial"`
	Zone
}

// Options returns the options of notices.
func (c *Notify) Options() notify.Options {
	return notify.Options{
		SMTP:         c.SMTP(),
		To:           c.MailTo,
		SalesRep:     c.NotifySalesRep,
		Redirect:     c.NotifyRedirect,
		Destinations: c.NotifyURLs,
		Location:     c.TimeZone.Location(),
	}
}

// NoticeOptions returns the options of notices from all settings of the worker.
func (c *Worker) NoticeOptions() (notify.Options, error) {
	o := c.Notify.Options()
	o.TemporalUIURL, o.DeskURL = text(c.TemporalUIURL), text(c.DeskURL)
	var err error
	o.DeskLinks, err = c.Signer()
	return o, err
}

// text returns a URL as a string, which is empty for nil.
func text(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// notifyVariables maps each field of [notify.Options] and [notify.SMTP] to the variable that
// sets it.
var notifyVariables = map[string]string{
	"Addr": "SMTP_ADDR", "Username": "SMTP_USERNAME", "Password": "SMTP_PASSWORD", "TLS": "SMTP_TLS",
	"From": "MAIL_FROM", "To": "MAIL_TO", "SalesRep": "NOTIFY_SALES_REP",
	"Redirect": "NOTIFY_REDIRECT",
}

// maxNoticesPerHour is more than anybody reads. A larger number is most likely a mistake.
const maxNoticesPerHour = 1000

func (c *Notify) validate(f *Faults) {
	options := c.Options()
	f.addAll(options.Faults(), notifyVariables)
	if c.NoticesPerHour < 0 || c.NoticesPerHour > maxNoticesPerHour {
		f.add("NOTICES_PER_HOUR", "%d is not a number of messages: write 1 to %d, or 0 for no limit",
			c.NoticesPerHour, maxNoticesPerHour)
	}
}

// Notices holds the settings of 'gate rules try': who would get notices, and about what.
type Notices struct {
	Notify
	Warnings
}

// Digest holds the times at which MAIL_TO gets the list of all held orders.
type Digest struct {
	// DigestAt is nil if no digest is sent.
	DigestAt   *worker.TimeOfDay `env:"DIGEST_AT" hint:"a time of day such as 08:00"`
	DigestDays worker.Weekdays   `env:"DIGEST_DAYS" envDefault:"Mon-Fri" hint:"days such as Mon-Fri, or Mon,Wed,Fri"`
}

// schedule returns when digests are sent.
func (c *Digest) schedule(zone *Zone) worker.Digest {
	if c.DigestAt == nil {
		return worker.Digest{}
	}
	name, _ := zone.TimeZone.Name() // validated at the start
	return worker.Digest{
		Hour: c.DigestAt.Hour, Minute: c.DigestAt.Minute, Days: c.DigestDays, TimeZone: name,
	}
}

func (c *Digest) validate(f *Faults, notices *Notify) {
	if c.DigestAt == nil {
		return
	}
	if len(notices.MailTo) == 0 {
		f.add("MAIL_TO", "is not set, and DIGEST_AT is: write who gets the mail with all held orders")
	}
	if _, err := notices.TimeZone.Name(); err != nil {
		f.add("TZ", "%v", err)
	}
}
