import Chance
import Testing

@testable import JupyterWire

func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

@Suite("SHA-256 and the signature")
struct SigningTests {
  @Test(
    "gives the digests of FIPS 180-4's examples",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ),
      (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
  func digests(text: String, digest: String) {
    #expect(hex(SHA256.digest(Array(text.utf8))) == digest)
  }

  @Test("gives the same digest however the bytes are cut")
  func pieces() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let whole = SHA256.digest(bytes)
    for cut in 0...bytes.count {
      var hash = SHA256()
      hash.update(Array(bytes[..<cut]))
      hash.update(Array(bytes[cut...]))
      #expect(hash.finish() == whole)
    }
  }

  @Test(
    "signs as RFC 4231's test cases say",
    arguments: [
      (
        [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
      ),
      (
        (1...25).map { UInt8($0) }, [UInt8](repeating: 0xcd, count: 50),
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
    ])
  func hmac(key: [UInt8], text: [UInt8], signature: String) {
    let signer = MessageSigner(key: key)
    #expect(signer.signature(of: [text]) == Array(signature.utf8))
    // Cut into Jupyter's four parts it is the same.
    let parts = [Array(text.prefix(3)), Array(text.dropFirst(3)), [], []]
    #expect(signer.signature(of: parts) == Array(signature.utf8))
    Array(signature.utf8).withUnsafeBytes { frame in
      text.withUnsafeBytes { #expect(signer.verifies(frame, of: [$0])) }
    }
  }

  @Test("rejects a signature that differs anywhere, and any where none is right")
  func rejects() {
    let signer = MessageSigner(key: Array("key".utf8))
    let text = Array("text".utf8)
    let right = signer.signature(of: [text])
    for index in right.indices {
      var wrong = right
      wrong[index] ^= 1
      wrong.withUnsafeBytes { frame in text.withUnsafeBytes { #expect(!signer.verifies(frame, of: [$0])) } }
    }
    [].withUnsafeBytes { frame in text.withUnsafeBytes { #expect(!signer.verifies(frame, of: [$0])) } }
    #expect(MessageSigner(key: []).signature(of: [text]).isEmpty)
  }
}

@Suite("Reading messages")
struct ReadingTests {
  func header(_ text: String) -> Header? { Array(text.utf8).withUnsafeBytes { Header($0) } }
  func content(_ text: String) -> ExecuteRequest { Array(text.utf8).withUnsafeBytes { ExecuteRequest($0) } }
  func status(_ text: String) -> ReplyStatus { Array(text.utf8).withUnsafeBytes { ReplyStatus($0) } }

  @Test("reads a header")
  func readsHeader() {
    let read = header(
      #"{"msg_id": "a_1", "msg_type": "execute_request", "username": "x", "session": "s", "date": "d", "version": "5.4"}"#
    )
    #expect(read == Header(type: .executeRequest, id: "a_1", session: "s"))
    #expect(header(#"{"msg_id":"a","msg_type":"comm_msg","session":"s","subshell_id":"k"}"#)?.subshell == "k")
    #expect(header(#"{"msg_id":"a","msg_type":"comm_msg","session":"s","subshell_id":null}"#)?.subshell == nil)
    #expect(header(#"{"msg_id":"a","msg_type":"nobody_knows","session":"s"}"#)?.type == .other)
  }

  @Test("takes escapes for what they mean, in names and values, as a kernel does")
  func escapes() {
    #expect(content(#"{"sil\u0065nt": true, "code": "\ud83d\ude00\n\"é\\"}"#) == .init(code: "😀\n\"é\\", silent: true))
    #expect(header(#"{"msg_id":"a","msg_type":"\u0065xecute_request","session":""}"#)?.type == .executeRequest)
  }

  @Test("lets the last of two members count, as Python does")
  func lastCounts() {
    #expect(content(#"{"silent": true, "silent": false}"#).silent == false)
    #expect(header(#"{"msg_id":"a","msg_id":"b","msg_type":"status"}"#)?.id == "b")
  }

  @Test("takes stop_on_error as true, silent as false, where they are missing or of the wrong kind")
  func defaults() {
    #expect(content("{}") == ExecuteRequest())
    #expect(content(#"{"silent": 1, "stop_on_error": "no", "code": 5}"#) == ExecuteRequest())
    #expect(content(#"{"stop_on_error": false}"#).stopOnError == false)
  }

  @Test("skips nested members, whatever stands in them")
  func nested() {
    let text = #"{"user_expressions": {"silent": true, "a": ["}", "]", {"b": "\\\""}]}, "code": "x"}"#
    #expect(content(text) == ExecuteRequest(code: "x"))
  }

  @Test(
    "reads how a request went; IRkernel's abort counts as aborted",
    arguments: [
      (#"{"status":"ok"}"#, ReplyStatus.ok), (#"{"status":"aborted"}"#, .aborted), (#"{"status":"abort"}"#, .aborted),
      (#"{"status":"error","ename":"KeyboardInterrupt"}"#, .error(name: "KeyboardInterrupt")), ("{}", .aborted),
      (#"{"traceback":["{\"status\":\"ok\"}"],"status":"error"}"#, .error(name: "")),
    ])
  func replyStatus(text: String, expected: ReplyStatus) {
    #expect(status(text) == expected)
  }

  @Test(
    "takes no header for one that is none",
    arguments: [
      "", "{", "{}", "[]", "null", #"{"msg_type":"status"}"#, #"{"msg_id":"a"}"#, #"{"msg_id":"a","msg_type":"status""#,
      #"{"msg_id":"a","msg_type":"status"} x"#, #"{"msg_id":"a" "msg_type":"status"}"#, #"{"msg_id":"\"#,
      #"{"msg_id":"a","msg_type":"status","x":[[[}"#, "\u{0}\u{1}",
    ])
  func noHeader(text: String) {
    #expect(header(text) == nil)
  }

  @Test("reads the kernel's language and implementation")
  func kernelInfo() {
    let text =
      #"{"status":"ok","implementation":"ipython","language_info":{"name":"python","version":"3"},"banner":"b"}"#
    let read = Array(text.utf8).withUnsafeBytes { KernelInfoReply($0) }
    #expect(read.language == "python" && read.implementation == "ipython")
  }

  @Test("finds the delimiter behind any number of identities, and wants five frames behind it")
  func layout() {
    func found(_ frames: [String]) -> Layout? {
      let bytes = frames.map { Array($0.utf8) }
      let views = bytes.map { UnsafeRawBufferPointer.allocateCopy($0) }
      defer { for view in views { view.deallocate() } }
      return Layout(count: views.count) { views[$0] }
    }
    #expect(found(["a", "b", "<IDS|MSG>", "s", "h", "p", "m", "c"])?.header == 4)
    #expect(found(["<IDS|MSG>", "s", "h", "p", "m", "c", "buffer"])?.content == 5)
    #expect(found(["a", "<IDS|MSG>", "s", "h", "p", "m"]) == nil)
    #expect(found(["a", "b"]) == nil)
    #expect(found([]) == nil)
  }
}

@Suite("Hostile bytes")
struct HostileTests {
  /// Mutates real messages; what matters is that nothing traps, and that whatever is read lies inside the text.
  @Test("never reads beyond a frame, whatever is in it", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func fuzz(seed: UInt64) {
    // Again with: swift test --filter HostileTests (the seed is the argument that the failure names)
    var random = SplitMix(seed: seed)
    let samples = [
      #"{"msg_id":"a_1","msg_type":"execute_request","session":"s","subshell_id":null,"date":"2026-01-01T00:00:00Z"}"#,
      #"{"code":"print(\"\u00e9\ud83d\ude00\")","silent":false,"stop_on_error":true,"user_expressions":{"a":[1,{}]}}"#,
      #"{"status":"error","ename":"E","evalue":"","traceback":["\u001b[0m",[[[]]],{}]}"#,
    ].map { Array($0.utf8) }
    let marks = Array(#"{}[]":,\u"#.utf8)
    for _ in 0..<3000 {
      var bytes = samples[Int(random.next() % 3)]
      for _ in 0...(random.next() % 6) {
        let at = Int(random.next() % UInt64(max(1, bytes.count)))
        switch random.next() % 4 {
        case 0: bytes.removeSubrange(min(at, bytes.count)...)
        case 1: if at < bytes.count { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
        case 2: bytes.insert(marks[Int(random.next() % UInt64(marks.count))], at: min(at, bytes.count))
        case _: if at < bytes.count { bytes.remove(at: at) }
        }
      }
      bytes.withUnsafeBytes { frame in
        _ = Header(frame)
        _ = Header.type(of: frame)
        _ = ExecuteRequest(frame)
        _ = ReplyStatus(frame)
        _ = KernelInfoReply(frame)
        for (key, value) in JSONMembers(frame) {
          _ = key.string
          _ = value.string
          for (inner, _) in value.members { _ = inner.string }
        }
      }
    }
  }

  @Test("is not slowed by depth")
  func depth() {
    let text = #"{"a":"# + String(repeating: "[", count: 1_000_000)
    Array(text.utf8).withUnsafeBytes { #expect(Header($0) == nil) }
  }
}

@Suite("Messages of the gate's own")
struct ComposerTests {
  let composer = Composer(session: "kernel's", signer: MessageSigner(key: Array("key".utf8)))

  func parse(_ frames: [[UInt8]]) -> (header: Header?, content: String) {
    (frames[2].withUnsafeBytes { Header($0) }, String(decoding: frames[5], as: UTF8.self))
  }

  @Test("carry the kernel's session, the request as their parent, and a signature that verifies")
  func status() {
    let parent = Array(#"{"msg_id":"r"}"#.utf8)
    let frames = composer.status("busy", parent: parent, stamp: .init(id: "i", date: "d"))
    #expect(frames.count == 6 && frames[0] == Layout.delimiterText)
    #expect(frames[1] == MessageSigner(key: Array("key".utf8)).signature(of: Array(frames[2...])))
    #expect(frames[3] == parent)
    let (header, content) = parse(frames)
    #expect(header == Header(type: .status, id: "i", session: "kernel's"))
    #expect(content == #"{"execution_state":"busy"}"#)
  }

  @Test("quote whatever stands in them")
  func quoting() {
    let frames = composer.error(
      name: "CellRefused", value: "\"9\"\\\n\u{1}é", parent: [], reply: true, stamp: .init(id: "i", date: "d"))
    let value = frames[5].withUnsafeBytes { frame in
      Array(JSONMembers(frame)).first { $0.key.holds("evalue") }?.value.string
    }
    #expect(value == "\"9\"\\\n\u{1}é")
    #expect(frames[5].withUnsafeBytes { ReplyStatus($0) } == .error(name: "CellRefused"))
  }

  @Test("include a silent request that aborts nothing")
  func silent() {
    let frames = composer.silentExecute(code: "1", stamp: .init(id: "i", date: "d"))
    let read = frames[5].withUnsafeBytes { ExecuteRequest($0) }
    #expect(read == ExecuteRequest(code: "1", silent: true, stopOnError: false))
  }
}

extension UnsafeRawBufferPointer {
  static func allocateCopy(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    copy.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(copy)
  }
}
