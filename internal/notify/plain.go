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

// SendText sends a plain text mail to one address, with [DefaultTimeout]. The error is an [*Error]
// if the mail server did not accept the mail.
func (s SMTP) SendText(ctx context.Context, to, subject, text string) error {
	m, err := newMailer(s, DefaultTimeout)
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	receiver, err := ParseAddress(to)
	if err != nil {
		// ParseAddress's error quotes the address, so it is not shown.
		return errors.New("send a mail: the receiver is not a valid e-mail address")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(&s.From)
	msg.ToMailAddress(&mail.Address{Address: receiver.Address})
	msg.Subject(oneLine(subject, maxText))
	msg.SetDateWithValue(time.Now())
	// go-mail's default message ID contains this machine's name.
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain(s.From.Address))
	setAutomatic(msg)
	msg.SetBodyString(gomail.TypeTextPlain, text)

	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	err = m.send(ctx, msg)
	var failed *Error
	if errors.As(err, &failed) {
		failed.Target = "one address"
	}
	return err
}
