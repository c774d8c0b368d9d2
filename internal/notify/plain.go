package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// SendText sends a mail of plain text to one address. It gives the mail server [DefaultTimeout].
// The error is an [*Error] if the mail server did not take the mail.
func (s SMTP) SendText(ctx context.Context, to, subject, text string) error {
	if faults := s.Faults(); len(faults) > 0 {
		return fmt.Errorf("send a mail: SMTP.%s %s", faults[0].Field, faults[0].Problem)
	}
	receiver, err := ParseAddress(to)
	if err != nil {
		// The error of ParseAddress quotes the address.
		return errors.New("send a mail: its receiver is not a mail address")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(&s.From)
	msg.ToMailAddress(&mail.Address{Address: receiver.Address})
	msg.Subject(oneLine(subject, maxText))
	msg.SetDateWithValue(time.Now())
	// go-mail's own message ID names this machine.
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain(s.From.Address))
	setAutomatic(msg)
	msg.SetBodyString(gomail.TypeTextPlain, text)

	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	m := mailer{SMTP: s, timeout: DefaultTimeout}
	err = m.send(ctx, msg)
	var failed *Error
	if errors.As(err, &failed) {
		failed.Target = "one address"
	}
	return err
}
