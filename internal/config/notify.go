package config

import (
	"time"

	"error-check-gate/internal/notify"
)

// Hold is how long errors may stand, and how often people are reminded of them.
type Hold struct {
	// GracePeriod is how long an error may stand before it is confirmed; 0 confirms at once.
	GracePeriod time.Duration `env:"GRACE_PERIOD" envDefault:"30m" hint:"a duration such as 30m"`
	// HoldMax is how long an order is held at most, from its first confirmed error on.
	HoldMax time.Duration `env:"HOLD_MAX" envDefault:"720h" hint:"a duration such as 720h"`
	// RemindEvery is the time from one reminder to the next; 0 sends none.
	RemindEvery time.Duration `env:"REMIND_EVERY" envDefault:"0" hint:"a duration such as 24h, or 0 for none"`
}

// Notify says who is told of an order's errors, and by what. Nothing set is nobody.
type Notify struct {
	MailServer
	// MailTo are addresses, with or without names, separated by commas.
	MailTo string `env:"MAIL_TO" hint:"e-mail addresses separated by commas"`
	// NotifyURLs holds tokens: see [notify.ParseDestinations].
	NotifyURLs Secret `env:"NOTIFY_URLS" hint:"URLs of chats and webhooks, separated by commas"`
	// NotifySalesRep sends mail to the order's sales rep too.
	NotifySalesRep bool `env:"NOTIFY_SALES_REP" envDefault:"false" hint:"true or false"`
	// NotifyWarnings tells people of orders that have only warnings, which hold nothing.
	NotifyWarnings bool `env:"NOTIFY_WARNINGS" envDefault:"false" hint:"true or false"`
	// NoticesPerHour is the most messages that one receiver gets in an hour; 0 has no limit.
	NoticesPerHour int `env:"NOTICES_PER_HOUR" envDefault:"30" hint:"a number of messages, or 0 for no limit"`
	// NotifyRedirect gets all mail in place of those who should, and nothing goes to
	// NotifyURLs: for trials with real orders.
	NotifyRedirect string `env:"NOTIFY_REDIRECT" hint:"an e-mail address that gets all mail during a trial"`
	Zone
}

// Options are the settings as package notify takes them. They are valid where the process's
// settings were loaded without a fault.
func (c *Notify) Options() (notify.Options, error) {
	var f Faults
	options := c.options(&f)
	if len(f) > 0 {
		return notify.Options{}, f
	}
	return options, nil
}

func (c *Hold) validate(f *Faults) {
	checkNotNegative(f, "GRACE_PERIOD", c.GracePeriod)
	checkNotNegative(f, "REMIND_EVERY", c.RemindEvery)
	if c.RemindEvery > 0 && c.RemindEvery < time.Minute {
		f.add("REMIND_EVERY", "%v is too short for people: write 1m or more, or 0 for no reminders", c.RemindEvery)
	}
	if c.HoldMax <= 0 {
		f.add("HOLD_MAX", "%v is no time at all: write how long an order is held at most, such as 720h", c.HoldMax)
	}
}

// maxNoticesPerHour is more than anybody reads.
const maxNoticesPerHour = 1000

func (c *Notify) validate(f *Faults) {
	c.options(f)
	if c.NoticesPerHour < 0 || c.NoticesPerHour > maxNoticesPerHour {
		f.add("NOTICES_PER_HOUR", "%d is not a number of messages from 1 to %d: write 0 for no limit", c.NoticesPerHour, maxNoticesPerHour)
	}
}

func (c *Notify) options(f *Faults) notify.Options {
	var o notify.Options
	var err error
	if o.Destinations, err = notify.ParseDestinations(string(c.NotifyURLs)); err != nil {
		for _, err := range each(err) {
			f.add("NOTIFY_URLS", "%v", err)
		}
	}
	if c.MailTo != "" {
		if o.To, err = notify.ParseAddresses(c.MailTo); err != nil {
			for _, err := range each(err) {
				f.add("MAIL_TO", "%v", err)
			}
		}
	}
	if c.NotifyRedirect != "" {
		if o.Redirect, err = notify.ParseAddress(c.NotifyRedirect); err != nil {
			f.add("NOTIFY_REDIRECT", "%v", err)
		}
	}
	o.SalesRep = c.NotifySalesRep
	o.Location = c.location(f)
	if c.SMTPAddr == "" {
		c.checkNoMail(f)
		return o
	}
	o.SMTP = c.smtp(f)
	toNobody := c.MailTo == "" && !c.NotifySalesRep
	if c.NotifyRedirect != "" && c.NotifyURLs != "" {
		toNobody = false // their notices are redirected
	}
	if toNobody {
		f.add("MAIL_TO", "is not set, and SMTP_ADDR is: write who gets the mail, or set NOTIFY_SALES_REP=true")
	}
	return o
}

// checkNoMail: who is to get mail gets none, which nobody would notice.
func (c *Notify) checkNoMail(f *Faults) {
	const problem = "is set, and SMTP_ADDR is not: write the mail server's host:port there"
	if c.MailTo != "" {
		f.add("MAIL_TO", problem)
	}
	if c.NotifySalesRep {
		f.add("NOTIFY_SALES_REP", problem)
	}
	if c.NotifyRedirect != "" {
		f.add("NOTIFY_REDIRECT", problem)
	}
}

// each are the errors that were joined to one.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // not a chain: the very error that errors.Join made
		return joined.Unwrap()
	}
	return []error{err}
}
