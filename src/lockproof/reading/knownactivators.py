"""What releases write to activate an environment: made by conformance/activators.py, never by hand."""

# file name to the sha256 of its normal form to the releases that write it
KNOWN: dict[str, dict[str, str]] = {
    "Activate.ps1": {
        "9f02f0896d9b76f679d8e9ec40a2f582fe221b0d90ee6f2db12cf5cc8d137944": ("venv 3.8.18"),
        "07c71e3f4cd0102046dd9f9a5fef4cab50326dd5ae859b078096196039977c1e": ("venv 3.9.18"),
        "3795a060dea7d621320d6d841deb37591fadf7f5592c5cb2286f9867af0e91df": (
            "venv 3.10.13, venv 3.11.2, venv 3.11.7, venv 3.12.1"
        ),
        "eb8ce20f580877d300c4fed60a7f36daa18715d35c50bb3596d6995d023b4ffe": ("venv 3.13.0"),
    },
    "_virtualenv.pth": {
        "69ac3d8f27e679c81b94ab30b3b56e9cd138219b1ba94a1fa3606d5a76a1433d": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22, uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv "
            "0.12.24, virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1, virtualenv 20.10.0, virtualenv "
            "20.13.4, virtualenv 20.14.1, virtualenv 20.16.7, virtualenv 20.17.1, virtualenv 20.19.0, "
            "virtualenv 20.21.1, virtualenv 20.23.1, virtualenv 20.24.7, virtualenv 20.25.3, virtualenv "
            "20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv 20.30.0, "
            "virtualenv 20.31.2, virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1, virtualenv "
            "20.38.0, virtualenv 20.39.1, virtualenv 21.0.0, virtualenv 21.2.4, virtualenv 21.3.3, virtualenv "
            "21.4.3, virtualenv 21.5.2, virtualenv 21.6.1, virtualenv 21.7.16, virtualenv 21.8.1, virtualenv "
            "21.9.1, virtualenv 21.10.0, virtualenv 21.11.1, virtualenv 21.12.1, virtualenv 21.13.0, "
            "virtualenv 21.14.13, virtualenv 21.15.8"
        ),
    },
    "_virtualenv.py": {
        "6cf30c56faf2a55228914dbbd17f8088ed371ebb08f5e7fa6fd931f913fcaf1d": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22, uv 0.8.24, uv 0.9.30, uv 0.10.12"
        ),
        "cfb3db86aaa53bb62b5ff764970bec2d71c9228590a0ebec57f6ec926cc0bf1a": ("uv 0.11.33, uv 0.12.24"),
        "684b8c07932ba4a84ac2e5ae9afe49ef04e92bac3d8d4191d455cf09d093e5fc": (
            "virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1, virtualenv 20.10.0"
        ),
        "ce57d5e0d9b5d7356cb42da7450ba8f9359bdf693e335f4c921626943c77e64d": ("virtualenv 20.13.4, virtualenv 20.14.1"),
        "c9199315871b11b12df226f890a38e66e63191e1adbfb11a66e6861151b33fca": (
            "virtualenv 20.16.7, virtualenv 20.17.1, virtualenv 20.19.0, virtualenv 20.21.1"
        ),
        "119e4eb9c1a39e6ffd220840844bd326fa1bd3acf2f1c9fa0612949aedc228a5": ("virtualenv 20.23.1"),
        "0aeb86546345c1d0fada097536e35525714d5cdbcc2d8eb3f9912a955044fcff": ("virtualenv 20.24.7"),
        "0f20351ea7e90039c46d3fabdef991f28b1e3ff33eb13ee6f0d5cd21ea0e8b14": (
            "virtualenv 20.25.3, virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv "
            "20.29.3, virtualenv 20.30.0, virtualenv 20.31.2, virtualenv 20.34.0"
        ),
        "bec6155ff7bfc88f8e79e481f27fd7ee0a3b40eeca9bfeb41f4c4b997b2f8100": ("virtualenv 20.35.4, virtualenv 20.36.1"),
        "02943e192823d75212f206e1f2991ac572119882683a95dfbb7a1b913d7b14b5": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0"
        ),
        "e8c426ce260f866254ff35cefedc8b3efbd6d1446d99d7a4cdeb0095f98a8b8f": ("virtualenv 21.2.4, virtualenv 21.3.3"),
        "460589e83387d4dfe5fd84d41c5f6979599f5cd080983d73c832549161c80435": (
            "virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "0278334cdcfab4c746b4416fbd5c2b6e7da937c81e132397d62c361d404ebe0e": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0, virtualenv 21.14.13"
        ),
        "07584d2a5d13e0811eb567d78ed2aca0fb60e7defff59a01ca7a48d907bdea51": ("virtualenv 21.15.8"),
    },
    "activate": {
        "87d711cca808305d5b7c5cf153f362b27bcaf8e46fdbe4a2b4bec4c12940587a": ("uv 0.4.30, uv 0.5.31"),
        "505f309589ff301ff43f3f6b55330df694aec1d0aebc8a980289d717efe21665": ("uv 0.6.17"),
        "f13144768f436e6336b0198f5d07ee54852000271d482dc281c4ad1661b4ba9b": ("uv 0.7.22"),
        "44b9d608693b9fbc06b264189b2837fd181c0525a914d51e99d1734edc3f42e1": (
            "uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv 0.12.24"
        ),
        "06321c3357e6341deab25432eb1333028733730da5c3f31ab69b784841343d7f": ("uv 0.13.9"),
        "6610804aca971136a7d162c563f8d81864a70c61af2a4c256a2d53812a8bc69c": ("venv 3.6.15"),
        "45e75c3811f484ea94d4d36226cecf5841840f49ee17e97bb8efcc74498eb7b5": ("venv 3.7.16"),
        "9f843aa5ab2790f9a9c7492aa5e62b0ac5a2787d7e7b0b8820a24dab90f073d6": ("venv 3.8.18"),
        "841d3d05ef516728396a0fdbe8019ec46dbe12bbafaa3d3b62f8e6d7e9922ae7": ("venv 3.9.18"),
        "db01ae18910d09a29affd4a36ce362a0ec04968af424801d93c68faaf2e18426": ("venv 3.10.13"),
        "1471ac4a7312b1c401f94ddaf3c1ce39b8de75fe203d9612490704091fb2e187": ("venv 3.11.2"),
        "f1561363ceffc275a599a1e9649103424b68ad352a6ab60730171110dd265729": ("venv 3.11.7"),
        "c923ca0bb9c5d109d1645a590fe293c9f6fe8aff438fb11ad4454ba45d30cd63": ("venv 3.12.1"),
        "300d3a6c85e6331a4ca42b9f8a9b1ad9afad87f52c3221a5975ab10041ad276f": ("venv 3.13.0"),
        "e998ef59a4cb4c578f758e3763ef7815ae2f6b81b758ba71c480518e99c17adc": ("virtualenv 20.2.2"),
        "479fa04c648d4da96f5c4393e94c0228875849920da8ee97f7b0d4fe8f74d639": ("virtualenv 20.4.7, virtualenv 20.8.1"),
        "5826af05d64c08f438e690ade906bb436309ae834ae000137dd9127560d3612f": (
            "virtualenv 20.10.0, virtualenv 20.13.4, virtualenv 20.14.1, virtualenv 20.16.7, virtualenv "
            "20.17.1, virtualenv 20.19.0, virtualenv 20.21.1, virtualenv 20.23.1"
        ),
        "00797ab70f688e0a55e6c8cfa231a2a54b8d7dbbb22b8488004a7a34e349d232": ("virtualenv 20.24.7, virtualenv 20.25.3"),
        "dfbae1bfd6ef0dfd7959963eec14ded30475d31ba2c66fa34d03a536f4c89d83": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2"
        ),
        "07a39b4d8f172fe3a0b7fc1757bee813f9c29fbee074409679bf82a6589edafd": ("virtualenv 20.34.0, virtualenv 20.35.4"),
        "7b6427dea712364135e968995fc1374d2ce6e9fe86fcb8e210ecb943a233d599": ("virtualenv 20.36.1"),
        "5c59bd199e8aafaa8f1b79c74aa8953805fb4417216b0d45e149c17510ca9705": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0"
        ),
        "673dcc4b22e3c13d32be4f61a3aa5b6bd2a30ac07c7bc39fb9a842f5f419385d": ("virtualenv 21.2.4, virtualenv 21.3.3"),
        "345052ae3a5e0645960989aeba5aea10537fa19ebc8a4accf6728e014217e7ef": (
            "virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "f21d56d5b9e58ac3d8ce3e734fdde961a5d28f86cbbbe9442dc1c6510bc143ac": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1"
        ),
        "a6788fbbc6d6806544efd1c15ec5bcfb2969fee75f0039bb900a7c6ae6eb5883": ("virtualenv 21.13.0"),
        "57e16e00c847ac3e76fa003d21c6febf7cff6860ed1b2dd3a7eb57ff3b826386": ("virtualenv 21.14.13"),
        "d44b16374bea2cba1a75e21ff5bc90141edc38d9674e24f50d16aca825c5d05a": ("virtualenv 21.15.8"),
    },
    "activate.bat": {
        "ec5be7b4188e5b10d71f6286a78e69ad2404498879ba9b0ecccac15e6305ba8d": ("uv 0.4.30, uv 0.5.31"),
        "f786af0e2daa3c035c66f729fc11687c223868768c470e39e4681bf4bfe991cb": ("uv 0.6.17, uv 0.7.22"),
        "56c127e0134d070b5960f459f347f6fd0e454cb4008a304845802aa9849a0921": (
            "uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv 0.12.24, uv 0.13.9"
        ),
    },
    "activate.csh": {
        "64f2cfdfb01278fb17fd7826d6922a228ea94bcc6cb2f3eb7bdef445bfbf94b8": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22, uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv "
            "0.12.24, uv 0.13.9"
        ),
        "727c17657b14e6f9329fd6250e4a1550ec9ebaa083d937d93823ae8cd0135524": ("venv 3.6.15, venv 3.7.16"),
        "00c12fef1f4856a6918d5e930d2e527dd4ba633f381b186b03f4229ea6bda568": ("venv 3.8.18"),
        "9a25b0511779198bfb143f7a5804a679c00e9f89231a6fd31b18b523e85b2772": ("venv 3.9.18"),
        "fdbae97512181f2da2d81c20954aea2d45fc36b4a0c6fed61e7955e0f4a3e284": ("venv 3.10.13, venv 3.11.7"),
        "a5a1ac71c27ff22a5da4a28f1dcd3c9c7cc579ee910ed78602f45da7732e72aa": ("venv 3.11.2"),
        "eacb6cfe37f3c1a61d36dd1bfeee42a91da65cd3a4d77816faa296692188663d": ("venv 3.12.1"),
        "4c5489220b0baa005be1e4f51708cb24707ac95c4b7edec0451bf97524fc53a7": ("venv 3.13.0"),
        "1cbd049dcecbad003efc7c010c2ee3584b652f001047de6ea720570286127f10": (
            "virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1"
        ),
        "f461ca8d6e4b47243b2d90e96d5d8b8d6368b60264c52ce9d95d4e594ef4f900": (
            "virtualenv 20.10.0, virtualenv 20.13.4, virtualenv 20.14.1, virtualenv 20.16.7, virtualenv "
            "20.17.1, virtualenv 20.19.0, virtualenv 20.21.1, virtualenv 20.23.1"
        ),
        "8085a07d68654a23a19c2f1af749916c059ac7070520f44687ee6a7c71c5df79": ("virtualenv 20.24.7, virtualenv 20.25.3"),
        "5cfae995e8382bb18bce23cb7acabaff130c4234a86321c23f33fda3facc5bc4": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2"
        ),
        "29305a2493be690aaa8137c5cae3cd290cb93ec927813424c775f60c6fcfdcfa": (
            "virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1"
        ),
        "be4302443aca476ba98c3e546f180b121dcf12ac269a7f9f7ba44b782b2a0107": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0, virtualenv 21.2.4, virtualenv 21.3.3, "
            "virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "2d03c698a72565024406701106ff6ec8d4c271d8fa70ad019164e62d4dac464d": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0"
        ),
        "a3ae850ce17935e87e222178e02716077c84eeb43e8b71ccb09b5fdcc49103dd": ("virtualenv 21.14.13"),
        "02a3a8dee7691176506688632ec579c8398a1177f72fb0d33de85bbc9991bdd2": ("virtualenv 21.15.8"),
    },
    "activate.fish": {
        "e7cfc0eae1009d3e78d6d58bc5d5334276b5434f12de293afc332625b81367be": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22"
        ),
        "92573e510a28a789850340049d04c152454de5f82f622e99d614cbd8e5cc8c7f": ("uv 0.8.24, uv 0.9.30, uv 0.10.12"),
        "cf76221b08d0f8de3113ace1e1008c601c066e68bc8a012885ce2659d7c02f80": ("uv 0.11.33, uv 0.12.24, uv 0.13.9"),
        "23e7c9a7d2f1410fa4a9998e44f7bb9e18f36af3ab5babf46ef3019737688338": ("venv 3.6.15"),
        "04bfa8d8f64929b7eb16829f765d1b50af156c5899ec711331c1d354b9f3bdf2": ("venv 3.7.16"),
        "f2e15f58f08530c296ff60becc4adfdcf0a558cfc158b20926fdfff846f2af73": ("venv 3.8.18"),
        "a4d3f759a303bb40e9a16f29240a53a3c51affa081962d3b963f1352e5c42bc0": ("venv 3.9.18"),
        "7e69c00572e84aae8ecc0c01d023e560d6dc868e4f54e4f6a83f1851cfc95775": ("venv 3.10.13, venv 3.11.7"),
        "cf9333a3668ea0c1b071672a10ebc0c3cdfc57c364696d82568545025a15a77a": ("venv 3.11.2"),
        "89dd98a15d6a5ef21bb1a06f355b91cb12d0dd18be8e32e6adb88692903a14e6": ("venv 3.12.1"),
        "3530a71a845ada90cbbbb50fc8cb029f3e0b45161425567e94c44de4e9698a38": ("venv 3.13.0"),
        "47501e40aad447bc7df628e143f751a5ed5bcaeae3391e1dcd7874a6eb84d649": (
            "virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1"
        ),
        "e5efbf6afcbf839c2bfb4ebaa528595b0b4aa46db4c7beb2700e08f6a41a1ebe": ("virtualenv 20.10.0"),
        "8dc08bdc5689213e95c13756832ca369aff858d8df0c3976ffe914f0d8cf0d43": (
            "virtualenv 20.13.4, virtualenv 20.14.1, virtualenv 20.16.7, virtualenv 20.17.1, virtualenv "
            "20.19.0, virtualenv 20.21.1, virtualenv 20.23.1"
        ),
        "542d4167e25bbc3819306a63a53a2a03e4256dfaf68984faaded1b4c3218623c": ("virtualenv 20.24.7"),
        "2116826790d18bc9935c89c9e4f2fadef51de5a24fd356933bb2aef3a2f40085": ("virtualenv 20.25.3"),
        "0358e9df2245afa6a3a2a6f362da31b5e3915adafbe3a582700a6adf3b1fe113": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2"
        ),
        "ba8c09bb5e977006400657faaf77e8cc9fca30af19c677d4569f5de528f11f83": (
            "virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1"
        ),
        "4bf12da303db3919d5a0882bd7e6bf98e4e4dae67ea96b8f9bfd542a7cdfabfe": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0, virtualenv 21.2.4, virtualenv 21.3.3"
        ),
        "6e392a7a77702dc4fd0c1d50ae710a37bda504b6117802c8e638a652d09338c4": ("virtualenv 21.4.3, virtualenv 21.5.2"),
        "326ada3142f277bfb1bfebf68b3ad7cf94081e7130d0a5aae3873852d7b25316": ("virtualenv 21.6.1"),
        "589d1c635e87374d11a7de7a8cbd9436b84e4f1faa6ef894219224e1c03de2d7": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0"
        ),
        "2713a93917beb4b10372779a4adc283b5f330f52391b704275696890d7c1b74e": ("virtualenv 21.14.13"),
        "64bd89773353bf5709ffcc3c270d15a766c23f4133d7cbd1e42f9e7bec4cdb6b": ("virtualenv 21.15.8"),
    },
    "activate.nu": {
        "31f91599f9aeeedf60f2e68a7435fe18aa9844e4a30cc4a999fc6a5922867d03": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22"
        ),
        "06ca272d58d3f112231da35306e319fc7b14de30330ae2c50ad217d401fdb74e": ("uv 0.8.24, uv 0.9.30, uv 0.10.12"),
        "6f1ee18ed1e1676ddd045f303fc32f696e21ec53b43c6e09d7ead5de30d2a500": ("uv 0.11.33"),
        "ef9f0006e7cc80386c04424172124e191f597870a4ab439faf1410b264569035": ("uv 0.12.24, uv 0.13.9"),
        "fcf587ebab4a6ea9c1cc08673b74ac764b55828726b782a50b59512f9a4a0502": ("virtualenv 20.8.1"),
        "d4f991fe4c0a99b92fb4942cace09d9442cf85a32ea6cc3ae5daf64974cc4854": ("virtualenv 20.8.1"),
        "97e98fdb31f355bc88731cb38d1d24aa0741a677773576350c0a49319863a807": ("virtualenv 20.10.0"),
        "97bccedcd3a820b3f2eb0f96f29baa0ca17d87f755aea1010c99db85e30c300c": ("virtualenv 20.10.0"),
        "4de33878e4a01cb4dc8faa64bd91a2bcc870a0508dffdb3a735dee871751cece": ("virtualenv 20.13.4"),
        "8153ee4f6d0492b4a511ecf6affb0550099617191c36bb96d6a99c910abb5ec4": ("virtualenv 20.13.4"),
        "748da6100173e530b9ea2302c9c8588c7dc757ce1d79864238100e35d0fb85b8": ("virtualenv 20.14.1"),
        "3856e9844c1bb96bdc44ea81773eba42c6551c4bd12c1e9b8074d982b5be9183": ("virtualenv 20.14.1"),
        "e7068ef55b7b98d2c17beb67a849d6c56683e9ba77f2f9c51411f735179caf63": ("virtualenv 20.16.7"),
        "8b0cb4f4bd7926aabab3a25a08c249c12a2edc4b757a2ce012595f2669fd7d03": ("virtualenv 20.16.7"),
        "1258e7f0933450db2263784ae4ea1b82713045382c03ee19d38c1dfe475aae15": ("virtualenv 20.17.1"),
        "4c5e8cfb782e6921e72ea7c87e5bb21bb95d826250a43565bef14cddd300043a": ("virtualenv 20.19.0"),
        "f7a9eaaca2df7654b15fe6158975574442eb20b77a550cc4ec2dc62c4bc2ff99": ("virtualenv 20.21.1"),
        "2d9512a4136477c95a4961b46f91769f8f2a2d9bccf1b00f90db45c57d254f39": ("virtualenv 20.23.1"),
        "f60d11ecbe8b1e148e0fff4145b2f0b50b27a90552eb9247e9bb163bb1e30522": ("virtualenv 20.24.7, virtualenv 20.25.3"),
        "7eb2b8c36171304a5d0f90273e532635641cedd0e1ef0b1ca7df028fe1890494": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2"
        ),
        "ebc21e6f18e2d54547acca215f2cd3b9ee32357662aff646637aed068db4c944": (
            "virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1"
        ),
        "139e0e897d158f405a9ba792593f4dd81229a092004cb5a0f3d17d99ae773e33": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0"
        ),
        "a55024c5f50604df7e3c67896ef6bfddf04db04bfa75361588b4784847884efa": (
            "virtualenv 21.2.4, virtualenv 21.3.3, virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "3c4126e70e218d6c1b40d7d10273a7afdfb95c5b34ba4e18a9c95bf6c3817b03": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0, virtualenv 21.14.13"
        ),
        "7874c134821deea4f56772ac97823fd3f668514fdfb2935adbd6e4ed728f8e40": ("virtualenv 21.15.8"),
    },
    "activate.ps1": {
        "0d2b3468e9dfba613ca755032b1e6620412ba562830fa46082e18f772635cf44": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22, uv 0.8.24, uv 0.9.30, uv 0.10.12"
        ),
        "5f4d6ebf3a7ef28fb3ef89a6d8f02b47d5c2d225e361c41428bb9960410ae4ab": ("uv 0.11.33"),
        "78e92217a9380caaccc1a7fe0a5623a878b9ed72f515c42f718c06c908742563": ("uv 0.12.24, uv 0.13.9"),
        "690b38c628c164e7e10b1d13c60491fa4b8e3b200ffa544d74f36c3a27d27909": (
            "virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1"
        ),
        "e77f5bfaa20c9d34e4ca1b1ebf6fbbea413a5e83da37b706f42327f8b3c4d282": (
            "virtualenv 20.10.0, virtualenv 20.13.4, virtualenv 20.14.1, virtualenv 20.16.7, virtualenv "
            "20.17.1, virtualenv 20.19.0, virtualenv 20.21.1, virtualenv 20.23.1"
        ),
        "e549f62059a212169d5f77de310744a4356ebc4ae903446d47fe8165767e7826": ("virtualenv 20.24.7"),
        "19d2bffb151ba1f48068d2dfd1037c548ee855acbf4d873688b6f3ffcf59ed3f": ("virtualenv 20.25.3"),
        "cc121c142b757d5d2e6007dd86d4e5002caf76087ad59b07df3b5fbb41a1b606": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2"
        ),
        "3448cb6fb2ead404699a1ed8bf7c662e68d5ec1ef63ff2e2bbe50f7eaa58334d": (
            "virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1"
        ),
        "12d5d8647d50bdd8aafee8dfe5adaee33b94df2b66009e50844f36b8adec8f22": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0, virtualenv 21.2.4, virtualenv 21.3.3, "
            "virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "4efebea3740c7b6877e445627c94ede2a15bb21978852535af5ac91986de3ed5": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0"
        ),
        "a290065168552cc685ce1738bf64890a33a971576315ec9e280e970cdaeab678": ("virtualenv 21.14.13"),
        "70b038a1f1be920bbc1878afeda2519775a4b7bea5ad28c5694c7122589a947a": ("virtualenv 21.15.8"),
    },
    "activate.xsh": {
        "df312406d0948f4d7aabfda405ebf28b4b59a1099a8d8f16759e15eefff0a910": ("uv 0.12.24, uv 0.13.9"),
        "951dbb03c519cda5d5f54ac65aac323ef8cfd979c66c397158bbea6f896e4d9b": ("virtualenv 20.2.2, virtualenv 20.4.7"),
        "58757c5ee7efeca9ba0ad0e328d9fb0e8bf0f61543a44772bd11f6ba9c10511b": (
            "virtualenv 21.3.3, virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1, virtualenv 21.7.16, "
            "virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv 21.11.1, virtualenv "
            "21.12.1, virtualenv 21.13.0"
        ),
        "8939014491bf3638fc625eab1eab43ea4370c91962da46185f176687e40a291e": ("virtualenv 21.14.13"),
        "131defc12eae97803bed570a95e7127367c488b85b78e3ef5d878fd62e930520": ("virtualenv 21.15.8"),
    },
    "activate_this.py": {
        "945ca8bd1f5c4e182f19498a4939c565faaaf4d76c8516b00de5e3113c27994c": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22, uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv "
            "0.12.24, uv 0.13.9"
        ),
        "c0dc0f94294160cbae4b11b9b075c5eea510d3360509ace87aec7c40426cbae9": (
            "virtualenv 20.2.2, virtualenv 20.4.7, virtualenv 20.8.1, virtualenv 20.10.0, virtualenv 20.13.4, "
            "virtualenv 20.14.1"
        ),
        "1758857bc72c46766f84dd5a085c5a37ac87dde0cec0604f04950865cc3cc062": (
            "virtualenv 20.16.7, virtualenv 20.17.1, virtualenv 20.19.0, virtualenv 20.21.1"
        ),
        "d50543f7c7193f192918a21f2f1078ee1023cfbb2934fdea4099f2fc6065d8e8": ("virtualenv 20.23.1"),
        "cb12fb0d3d88025c5dedca698832176da0417be69b2980e6887b46cfb68d8265": ("virtualenv 20.24.7"),
        "7a549c406f0b80cff4654ca32a9fa80d821cb5bfb078f6f5dc23419375f69f5c": ("virtualenv 20.25.3"),
        "d91e666866ae5b2e33f1f6c71c66bda248177fc36771d7e2cc4ace8ca883b092": (
            "virtualenv 20.26.6, virtualenv 20.27.1, virtualenv 20.28.1, virtualenv 20.29.3, virtualenv "
            "20.30.0, virtualenv 20.31.2, virtualenv 20.34.0, virtualenv 20.35.4, virtualenv 20.36.1"
        ),
        "ca66fb251e7e3ab6db4c38e63b6275d84d20a9fe5a69d9ddcb509161cbb2db54": (
            "virtualenv 20.38.0, virtualenv 20.39.1, virtualenv 21.0.0, virtualenv 21.2.4, virtualenv 21.3.3, "
            "virtualenv 21.4.3, virtualenv 21.5.2, virtualenv 21.6.1"
        ),
        "be996fca10af12056ecb1a473bc1bc0d68504ca4863b8eeb03a3266fa00f279b": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0, virtualenv 21.14.13"
        ),
        "797bd3c3f1b3eb603dd9b104eaa8f379a9eec2f1eca74148dc285d02dcfd7a6b": ("virtualenv 21.15.8"),
    },
    "deactivate.bat": {
        "36257f0f0ca66917c9380eb5916fccbd0dd4f549110b6fbfa08ad4544ee6445f": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22"
        ),
        "13ea86073a9ee43a66e3549312599dd47ff315758b4ca5a0406faf041fb82300": (
            "uv 0.8.24, uv 0.9.30, uv 0.10.12, uv 0.11.33, uv 0.12.24, uv 0.13.9"
        ),
    },
    "deactivate.csh": {
        "47b3f7f149145abf98809d603449849bfed353bc7bc31aed4d3e389dced8ab00": (
            "virtualenv 21.7.16, virtualenv 21.8.1, virtualenv 21.9.1, virtualenv 21.10.0, virtualenv "
            "21.11.1, virtualenv 21.12.1, virtualenv 21.13.0, virtualenv 21.14.13"
        ),
        "f4df8e1e2ebc6233b70837312a7248ab81aefb6f5b8bd9d089991cdc99163dda": ("virtualenv 21.15.8"),
    },
    "deactivate.nu": {
        "e238fe76ca8adc55914597121fa7710de077b10a58ef063545a0bfd3ea932a5f": (
            "virtualenv 20.8.1, virtualenv 20.10.0, virtualenv 20.13.4"
        ),
        "26b3fdb185dcce3e0bf0416ed74bb0764045291d7fa36032696de330fd94a0f5": ("virtualenv 20.14.1"),
        "2ab500ab3c86e934cd33025cee6e8d8b481ba3eb0b0d4e02fc0b06781cb81e6e": ("virtualenv 20.16.7"),
    },
    "pydoc.bat": {
        "25e0881364bbc709f46aca6b9d6e918774aa190ad86dfb824764fa8e24a5229f": (
            "uv 0.4.30, uv 0.5.31, uv 0.6.17, uv 0.7.22"
        ),
        "2a8eb66d1bc7b73adcd3c6f59e2383e0a7fe9412609c1f9d1870e35035ee6fee": ("uv 0.8.24, uv 0.9.30, uv 0.10.12"),
        "09f9608d478fa48a9e49af8f413cfeaab47773effd185433088b7688ce75890e": ("uv 0.11.33, uv 0.12.24, uv 0.13.9"),
    },
}
