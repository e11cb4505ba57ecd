"""Links as attackers write them, and the code that each is refused with.

In the namespace of test_canary every address is local, so that a connection to any of them
would be made, and seen.
"""
# ruff: noqa: RUF001  # letters that look like others are what some of the attacks are

PUBLIC = "93.184.216.34"
PUBLIC_2 = "93.184.216.35"
PUBLIC_6 = "2606:2800:220:1::1"

# What the names mean there; a name with several answers has several rows.
HOSTS = (
    (PUBLIC, "public.example"),
    (PUBLIC, "xn--bcher-kva.example"),
    (PUBLIC_6, "six.public.example"),
    (PUBLIC, "both.public.example"),
    (PUBLIC_6, "both.public.example"),
    ("127.0.0.1", "localhost"),
    ("127.0.0.1", "localhost."),
    ("::1", "localhost"),
    ("127.0.0.1", "film.localhost"),
    ("::1", "ip6-localhost"),
    ("127.0.0.1", "loop.example"),
    ("127.0.0.1", "loop.example."),
    ("::1", "six.loop.example"),
    ("::ffff:127.0.0.1", "mapped.loop.example"),
    ("64:ff9b::127.0.0.1", "nat64.loop.example"),
    ("0.0.0.0", "zero.example"),
    ("::", "six.zero.example"),
    ("10.0.0.1", "private.example"),
    ("fd12::1", "six.private.example"),
    ("192.168.1.1", "router.lan"),
    ("172.17.0.1", "host.docker.internal"),
    ("169.254.169.254", "metadata.google.internal"),
    ("169.254.169.254", "metadata.example"),
    ("fd00:ec2::254", "six.metadata.example"),
    ("100.100.100.200", "cloud.metadata.example"),
    ("224.0.0.251", "multicast.example"),
    ("fe80::1", "link.example"),
    ("127.0.0.1", "two.example"),
    ("10.0.0.1", "two.example"),
    ("::1", "two.example"),
    (PUBLIC_2, "mixed.example"),
    ("127.0.0.1", "mixed.example"),
    ("169.254.169.254", "mixed.example"),
    ("::1", "mixed.example"),
    *((f"10.0.{number}.1", "many.example") for number in range(40)),
)

_BLOCKED_ADDRESSES = (
    *("127.0.0.1", "127.0.0.1:8080", "127.0.0.2", "127.1.2.3", "127.255.255.255", "0.0.0.0"),
    *("0.0.0.1", "0.255.255.255", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255"),
    *("192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "169.254.1.1"),
    *("192.0.0.1", "192.0.0.170", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("198.18.0.1", "198.19.255.255", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.254", "255.255.255.255"),
    # metadata services
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::ffff:168.63.129.16]"),
    # IPv6, and IPv4 inside it
    *("[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::0.0.0.1]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]"),
    *("[::ffff:0:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:0.0.0.0]", "[::10.0.0.1]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::127.0.0.1]"),
    *("[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:7f00:1::]", "[2001:0:5db8:d822::80ff:fffe]"),
    *("[2606:2800::5efe:7f00:1]", "[2606:2800::200:5efe:a00:1]", "[fe80::5efe:127.0.0.1]"),
    *("[fe80::1]", "[febf::1]", "[fec0::1]", "[fc00::1]", "[fdff::1]", "[ff02::1]", "[ff0e::1]"),
    *("[100::1]", "[2001:db8::1]", "[3fff::1]", "[2001:2::1]", "[2001:10::1]", "[5f00::1]"),
    *("[4000::1]", "[64:ff9b:2::1]", "[e000::1]", "[::2]"),
    # names
    *("localhost", "LOCALHOST", "LocalHost:8080", "localhost.", "film.localhost"),
    *("ip6-localhost", "loop.example", "LOOP.Example", "loop.example.", "six.loop.example"),
    *("mapped.loop.example", "nat64.loop.example", "zero.example", "six.zero.example"),
    *("private.example", "six.private.example", "router.lan", "host.docker.internal"),
    *("metadata.google.internal", "metadata.example", "six.metadata.example"),
    *("cloud.metadata.example", "multicast.example", "link.example", "two.example"),
    "many.example",
    # names that are others when they are written in ASCII
    *("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ＬＯＯＰ.example", "loop。example"),
    # ports of other protocols, on a public address
    *(f"{PUBLIC}:{port}" for port in (1, 22, 25, 53, 110, 143, 587, 2049, 6000, 6667, 10080)),
)
_MALFORMED_HOSTS = (
    # numbers
    *("2130706433", "0x7f000001", "0X7F000001", "017700000001", "0x7f.0.0.1", "0x7f.1"),
    *("0177.0.0.1", "0177.0x0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.0.0.01"),
    *("127.000.000.001", "127.0.0.0x1", "0", "00", "0x0", "0x", "1", "0.0", "4294967295"),
    *("4294967296", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("256.256.256.256", "127.0.0.256", "383.0.0.1", "1.2.3.4.5", "127.0.0.1.0x7f", "08.0.0.1"),
    *("１２７.0.0.1", "①②⑦.⓪.⓪.①", "１27.0.0.1", "١٢٧.0.0.1", "127。0。0。1", "127．0．0．1"),
    *("²130706433", "0ｘ7f000001", "loc\u00adalhost", "loc\u200balhost"),
    # zones and brackets
    *("[fe80::1%25lo]", "[fe80::1%lo]", "[::1%lo]", "[::1%25lo]", "[::1%00]", "[fe80::1%]"),
    *("[127.0.0.1]", "[::1", "::1", "[::1]x", "[::1].public.example", "[[::1]]", "[v1.::1]"),
    *("[0x7f000001]", "[::ffff:127.1]", "[::ffff:0177.0.0.1]", "[]", "[1]", "[:::1]"),
    # credentials, and what pretends to be some
    *(f"{PUBLIC}@127.0.0.1", f"127.0.0.1@{PUBLIC}", f"a:b@{PUBLIC}@127.0.0.1", "@127.0.0.1"),
    *(f"{PUBLIC}%2f@127.0.0.1", f"{PUBLIC}%23@127.0.0.1", "public.example%00@127.0.0.1"),
    *(f"[::1]@{PUBLIC}", f"[::1]:80@{PUBLIC}", ":b@127.0.0.1", "a%zz@127.0.0.1"),
    # escapes, and characters that programs drop or read as others
    *(
        "%31%32%37.0.0.1",
        "127%2e0.0.1",
        "127.0.0.1%00",
        "127.0.0.1%00.public.example",
        "%6cocalhost",
    ),
    *("127.0.0.1\\@public.example", f"{PUBLIC}\\@127.0.0.1", f"{PUBLIC}\\.127.0.0.1"),
    *("127.0.0.1\t", "127.\n0.0.1", f"{PUBLIC}\r\n@127.0.0.1", "127.0.0.1\x00", "127.0.0.1 "),
    *("127.0.0.1\x7f", " 127.0.0.1", "localhost%20", "127.0.0.1,public.example", "loop..example"),
    *("127.0.0.1;public.example", "127.0.0.1&public.example", "{127.0.0.1}", "*", "", "."),
    *("public.example℀127.0.0.1", "public.example／127.0.0.1", "public.example＠127.0.0.1"),
    *("public.example？127.0.0.1", "public.example＃127.0.0.1", "public.example：80"),
    # ports
    *(f"{PUBLIC}:{port}" for port in ("0", "65536", "99999999999", "-1", "+80", "80x", "８０")),
    *(f"{PUBLIC}:80:80", f"{PUBLIC}: 80", f"{PUBLIC}:0x50", f"{PUBLIC}:80@", "127.0.0.1:80\\"),
)
_MALFORMED_LINKS = (
    *("http:127.0.0.1/", "http:/127.0.0.1/", "http:///127.0.0.1/", "http:////127.0.0.1/"),
    *("http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/", "http:\\/127.0.0.1/", "http://\\127.0.0.1/"),
    *("http://127.0.0.1\\film.mp4", "http://", "http:", "https:127.0.0.1", "http:?127.0.0.1"),
    *("http:#//127.0.0.1/", "ht\ntp://127.0.0.1/", "\x00http://127.0.0.1/", "http\t://127.0.0.1/"),
)
_OTHER_SCHEMES = (
    *("ftp://127.0.0.1/", "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "ws://127.0.0.1/"),
    *("gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1:6379/info", "ldap://127.0.0.1/"),
    *("tftp://127.0.0.1/x", "jar:http://127.0.0.1!/", "view-source:http://127.0.0.1/"),
    *("blob:http://127.0.0.1/1", "data:video/mp4,x", "javascript:alert(1)", "about:blank"),
    *("unix:///run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/", "feed:http://127.0.0.1/"),
    *("url:http://127.0.0.1/", "phar://127.0.0.1/", "netdoc:///etc/passwd", "localhost:80/"),
)

# Each link with its code.
ATTACKS: tuple[tuple[str, str], ...] = (
    *((f"http://{host}/film.mp4", "blocked_target") for host in _BLOCKED_ADDRESSES),
    *((f"http://{host}/film.mp4", "invalid_url") for host in _MALFORMED_HOSTS),
    *((link, "invalid_url") for link in _MALFORMED_LINKS),
    *((link, "unsupported_scheme") for link in _OTHER_SCHEMES),
    *(
        (link, "blocked_target")
        for link in (
            *("HTTP://127.0.0.1/", "https://127.0.0.1/", "hTTpS://localhost/", "https://[::1]/"),
            *(
                "https://127.0.0.1:80/",
                "http://127.0.0.1:443/",
                " http://127.0.0.1/ ",
                "http://[::1]",
            ),
            *("http://127.0.0.1", "http://127.0.0.1?x", "http://127.0.0.1#x", "http://127.0.0.1:/"),
            *("http://a:b@127.0.0.1/", f"http://a:{PUBLIC}@127.0.0.1/", "http://a:b@localhost/"),
            *(f"http://{PUBLIC}:80@127.0.0.1:80/", "http://a:%40@127.0.0.1/", "http://a:@[::1]/"),
            f"https://{PUBLIC}:25/",
        )
    ),
)

# Links that are as odd but lead to a public address: where they must arrive, and only there.
CONTROLS: tuple[tuple[str, tuple[str, int]], ...] = (
    (f"http://{PUBLIC}/film.mp4", (PUBLIC, 80)),
    (f"http://{PUBLIC}:8080/film.mp4", (PUBLIC, 8080)),
    (f"http://[{PUBLIC_6}]/film.mp4", (PUBLIC_6, 80)),
    (f"http://[{PUBLIC_6}]:8080/film.mp4", (PUBLIC_6, 8080)),
    (f"http://[::ffff:{PUBLIC}]/film.mp4", (PUBLIC, 80)),
    ("http://public.example/film.mp4", (PUBLIC, 80)),
    ("http://PUBLIC.Example:8080/film.mp4", (PUBLIC, 8080)),
    ("http://bücher.example/film.mp4", (PUBLIC, 80)),
    ("http://six.public.example/film.mp4", (PUBLIC_6, 80)),
    ("http://mixed.example/film.mp4", (PUBLIC_2, 80)),
    (f"http://{PUBLIC}#@127.0.0.1/", (PUBLIC, 80)),
    (f"http://{PUBLIC}?@127.0.0.1/", (PUBLIC, 80)),
    (f"http://{PUBLIC}/@127.0.0.1/", (PUBLIC, 80)),
    (f"http://{PUBLIC}/http://127.0.0.1/", (PUBLIC, 80)),
    (f"http://a:b@{PUBLIC}/film.mp4", (PUBLIC, 80)),
    (f"http://127.0.0.1:80@{PUBLIC}/film.mp4", (PUBLIC, 80)),
)
