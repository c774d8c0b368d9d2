package notify

import "error-check-gate/internal/option"

// Faults returns everything that is wrong with options that come from settings. It contacts
// nobody. It finds fault with a mail server if nobody would get mail from it, although [New]
// accepts that. A fault names a field of SMTP without a prefix, for example From.
func (o *Options) Faults() option.Faults {
	faults := o.mailFaults()
	receivers := len(o.To) > 0 || o.SalesRep
	if o.Redirect.Address != "" && len(o.Destinations) > 0 {
		receivers = true // Redirect gets the notices of the destinations by mail
	}
	if o.SMTP.Addr != "" && !receivers {
		faults.Add("To", "is not set, and {Addr} is: write who gets the mail, or set {SalesRep}=true")
	}
	return faults
}

// mailFaults returns everything that is wrong with the mail server. If there is none, it finds
// fault with the receivers of mail.
func (o *Options) mailFaults() option.Faults {
	if o.SMTP.Addr != "" {
		return o.SMTP.Faults()
	}
	const problem = "is set, and {Addr} is not: write the mail server's host:port there"
	var faults option.Faults
	if len(o.To) > 0 {
		faults.Add("To", problem)
	}
	if o.SalesRep {
		faults.Add("SalesRep", problem)
	}
	if o.Redirect.Address != "" {
		faults.Add("Redirect", problem)
	}
	return faults
}
